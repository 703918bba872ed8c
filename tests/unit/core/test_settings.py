"""Settings come from the environment; a wrong one is named."""

import json

import pytest

from chalicelib.settings import SettingError, load, required


def test_defaults_need_no_environment() -> None:
    found = load({})
    assert (found.queue_backend, found.bucket, found.block_size) == ("sqs", "sluice-uploads", 4 << 20)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLUICE_BLOCK_SIZE", "4MB"),
        ("SLUICE_BLOCK_SIZE", "0"),
        ("SLUICE_LOADERS", "-1"),
        ("SLUICE_QUEUE_BACKEND", "kafka"),
        ("SLUICE_MAX_UPLOAD_SIZE", str(6 << 40)),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        load({name: value})


SECRETS = ["a" * 32, "é" * 16]


@pytest.mark.parametrize(
    "text",
    [
        ",".join(SECRETS),
        f" {SECRETS[0]} ,\n{SECRETS[1]}\n",
        json.dumps(SECRETS),
        json.dumps(SECRETS, indent=1),
    ],
)
def test_secrets_of_upload_tokens_are_a_list(text: str) -> None:
    found = load({"SLUICE_TOKEN_SECRETS": text})
    assert found.token_secrets == tuple(secret.encode() for secret in SECRETS)
    assert SECRETS[0] not in repr(found)


def test_there_may_be_no_secrets() -> None:
    for text in ("", " \n", "[]"):
        assert load({"SLUICE_TOKEN_SECRETS": text}).token_secrets == ()


@pytest.mark.parametrize("text", ["short", f"{SECRETS[0]},", f"{SECRETS[0]},short", "[", "[1]", '["short"]'])
def test_wrong_secrets_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingError, match="SLUICE_TOKEN_SECRETS must") as error:
        load({"SLUICE_TOKEN_SECRETS": text})
    assert "short" not in str(error.value)
    assert SECRETS[0] not in str(error.value)


def test_a_required_setting_must_be_set() -> None:
    assert required("x", "DATABASE_URL") == "x"
    with pytest.raises(SettingError, match="DATABASE_URL is not set"):
        required("", "DATABASE_URL")


def test_an_empty_address_is_none() -> None:
    assert load({"AWS_ENDPOINT_URL": ""}).aws_endpoint_url is None


@pytest.mark.parametrize(("workers", "found"), [(None, 0), ("0", 0), ("2", 2), ("1000", 1000)])
def test_the_number_of_lambda_workers_is_bounded(workers: str | None, found: int) -> None:
    assert load({} if workers is None else {"SLUICE_LAMBDA_WORKERS": workers}).lambda_workers == found


@pytest.mark.parametrize("workers", ["-1", "1", "1001", "many", ""])
def test_a_number_of_lambda_workers_that_aws_refuses_is_refused(workers: str) -> None:
    with pytest.raises(SettingError, match="SLUICE_LAMBDA_WORKERS"):
        load({"SLUICE_LAMBDA_WORKERS": workers})


def test_lambda_workers_take_no_messages_from_redis() -> None:
    redis = {"SLUICE_QUEUE_BACKEND": "redis"}
    assert load(redis | {"SLUICE_LAMBDA_WORKERS": "0"}).lambda_workers == 0
    with pytest.raises(SettingError, match="SLUICE_LAMBDA_WORKERS must be 0 with Redis"):
        load(redis | {"SLUICE_LAMBDA_WORKERS": "2"})


def test_a_setting_says_how_the_intake_is_attached_to_the_bucket() -> None:
    assert load({}).bucket_events == "chalice"
    assert load({"SLUICE_BUCKET_EVENTS": "template"}).bucket_events == "template"
    with pytest.raises(SettingError, match="SLUICE_BUCKET_EVENTS must be chalice or template"):
        load({"SLUICE_BUCKET_EVENTS": "nobody"})


def test_a_database_needs_no_secret() -> None:
    assert load({}).database_secret == ""
    assert load({"DATABASE_SECRET": "sluice-dev"}).database_secret == "sluice-dev"


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        (" ", ()),
        ("https://app.example.org", ("https://app.example.org",)),
        (
            " https://a-b.example:8443 , http://localhost:3000,http://127.0.0.1:1,http://[::1]:81",
            ("https://a-b.example:8443", "http://localhost:3000", "http://127.0.0.1:1", "http://[::1]:81"),
        ),
        (
            "http://localhost,https://xn--bcher-kva.example",
            ("http://localhost", "https://xn--bcher-kva.example"),
        ),
    ],
)
def test_allowed_origins_are_a_list(text: str, origins: tuple[str, ...]) -> None:
    assert load({"SLUICE_ALLOWED_ORIGINS": text}).allowed_origins == origins


WRONG_ORIGINS = [
    "*",
    "https://*.example.org",
    "null",
    "app.example.org",
    "http://app.example.org",
    "http://localhost.example.org",
    "https://app.example.org/",
    "https://app.example.org/path",
    "https://App.example.org",
    "HTTPS://app.example.org",
    "https://app.example.org:443",
    "http://localhost:80",
    "https://app.example.org:",
    "https://user@app.example.org",
    "https://",
    "https://-",
    "https://bücher.example",
    "https://a.example https://b.example",
    "https://a.example\nhttps://b.example",
    "https://a.example,",
    ",",
]


@pytest.mark.parametrize("text", WRONG_ORIGINS)
def test_what_no_browser_sends_is_no_origin(text: str) -> None:
    with pytest.raises(SettingError, match="SLUICE_ALLOWED_ORIGINS must list origins"):
        load({"SLUICE_ALLOWED_ORIGINS": text})

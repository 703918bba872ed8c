"""The database's user and password, out of moto's Secrets Manager."""

import json
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.constants import DEFAULT_PROVIDERS
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from psycopg.conninfo import conninfo_to_dict

from chalicelib import settings
from chalicelib.backends.postgres.database import Pool, transaction_on
from chalicelib.backends.secrets import token_secrets, with_credentials
from chalicelib.core.errors import RetryLater
from chalicelib.settings import SettingError
from chalicelib.wiring import Services
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

URL = "postgresql://db.example:5432/sluice?sslmode=require"
SECRET = "sluice-dev/database"
HIDDEN = "correct horse battery staple"

# Everything but NUL, which Postgres takes in no password, and halves of characters.
words = st.text(
    st.sampled_from("/@:?#[]%&=+,;$!*'\"\\ \n") | st.characters(exclude_characters="\0", codec="utf-8"),
    min_size=1,
)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator["SecretsManagerClient"]:
    """Powertools keeps its clients and what they were told for the whole process."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    parameters.clear_caches()
    with mock_aws():
        yield boto3.client("secretsmanager")
    parameters.clear_caches()


def keep(client: "SecretsManagerClient", secret: Any) -> str:
    """Store the secret and return its ARN."""
    text = secret if isinstance(secret, str) else json.dumps(secret)
    return client.create_secret(Name=SECRET, SecretString=text)["ARN"]


def local_now() -> datetime:
    """Return the time as Powertools has it: the local one, without its zone."""
    return datetime.now(UTC).astimezone().replace(tzinfo=None)


def parsed(secret: str = SECRET, url: str = URL) -> dict[str, Any]:
    return dict(conninfo_to_dict(with_credentials(url, secret)))


@pytest.mark.parametrize("named", ["by name", "by ARN"])
def test_user_and_password_join_the_address(client: "SecretsManagerClient", named: str) -> None:
    arn = keep(client, {"username": "sluice", "password": HIDDEN, "engine": "postgres", "port": 5432})
    assert parsed(arn if named == "by ARN" else SECRET) == {
        "user": "sluice",
        "password": HIDDEN,
        "host": "db.example",
        "port": "5432",
        "dbname": "sluice",
        "sslmode": "require",
    }


@given(words, words)
def test_any_user_and_password_reach_postgres_as_they_are(user: str, password: str) -> None:
    parameters.clear_caches()
    with pytest.MonkeyPatch.context() as patched:
        provider = Told({"username": user, "password": password})
        patched.setitem(DEFAULT_PROVIDERS, "secrets", provider)
        found = parsed()
    assert (found["user"], found["password"]) == (user, password)
    assert (found["host"], found["port"], found["dbname"]) == ("db.example", "5432", "sluice")


class Told(parameters.SecretsProvider):
    """Provide secrets without moto, which is slow for hundreds of examples."""

    def __init__(self, secret: Any) -> None:
        super().__init__(boto3_client=object())
        self.secret = secret
        self.asked = 0

    def _get(self, name: str, **_: Any) -> str:
        self.asked += 1
        return self.secret if isinstance(self.secret, str) else json.dumps(self.secret)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://old@db.example/sluice", {"host": "db.example"}),
        ("postgresql://old:p%40ss@db.example/sluice", {"host": "db.example"}),
        ("postgresql://old:p@ss@db.example/sluice", {"host": "db.example"}),
        (
            "postgresql://[::1]:5433/sluice?connect_timeout=3&options=-c%20a%3Db",
            {"host": "::1", "port": "5433", "connect_timeout": "3", "options": "-c a=b"},
        ),
        ("postgresql:///sluice?host=/run/postgres", {"host": "/run/postgres"}),
        (
            "postgres://one:1,two:2/sluice?target_session_attrs=read-write",
            {"host": "one,two", "port": "1,2", "target_session_attrs": "read-write"},
        ),
    ],
)
def test_the_rest_of_the_address_stays(
    client: "SecretsManagerClient", url: str, expected: dict[str, str]
) -> None:
    keep(client, {"username": "u", "password": HIDDEN})
    assert parsed(url=url) == {"user": "u", "password": HIDDEN, "dbname": "sluice", **expected}


@pytest.mark.parametrize(
    "secret",
    [
        HIDDEN,
        json.dumps({"username": "sluice", "password": HIDDEN})[:-1],
        {"username": "sluice", "passwd": HIDDEN},
        {"user": "sluice", "password": HIDDEN},
        {},
        [HIDDEN],
        json.dumps(HIDDEN),
        {"username": "sluice", "password": None, "other": HIDDEN},
        {"username": "sluice", "password": [HIDDEN]},
        {"username": {HIDDEN: 1}, "password": "x"},
        {"username": "sluice", "password": f"{HIDDEN}\ud800"},
    ],
    ids=lambda secret: str(secret)[:30].encode("ascii", "replace").decode(),
)
def test_an_unusable_secret_is_not_shown(secret: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters.clear_caches()
    monkeypatch.setitem(DEFAULT_PROVIDERS, "secrets", Told(secret))
    with pytest.raises(RetryLater, match=SECRET) as caught:
        with_credentials(URL, SECRET)
    told = traceback.format_exception(caught.value)
    for error in chain(caught.value):
        told += [str(error), repr(error.args), repr(vars(error))]
    assert HIDDEN not in "\n".join(told)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and every cause and context of it: error trackers show them all."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_an_outage_of_secrets_manager_is_retried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    class Down(Told):
        def _get(self, name: str, **_: Any) -> str:
            raise ConnectionError

    parameters.clear_caches()
    monkeypatch.setitem(DEFAULT_PROVIDERS, "secrets", Down({}))
    with pytest.raises(RetryLater, match=f"{SECRET}: GetParameterError"):
        with_credentials(URL, SECRET)


def test_a_secret_is_cached_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters.clear_caches()
    provider = Told({"username": "u", "password": "before"})
    monkeypatch.setitem(DEFAULT_PROVIDERS, "secrets", provider)
    assert parsed()["password"] == parsed()["password"] == "before"
    assert provider.asked == 1
    provider.secret["password"] = "rotated"
    [(key, kept)] = provider.store.items()
    assert 0 < (kept.ttl - local_now()).total_seconds() <= 300
    provider.store[key] = kept._replace(ttl=local_now())  # the while is over
    assert parsed()["password"] == "rotated"
    assert provider.asked == 2


def test_an_unusable_secret_is_not_cached(client: "SecretsManagerClient") -> None:
    with pytest.raises(RetryLater, match=f"{SECRET}: GetParameterError"):  # there is none
        with_credentials(URL, SECRET)
    keep(client, HIDDEN)
    with pytest.raises(RetryLater, match=f"{SECRET}: TransformParameterError"):
        with_credentials(URL, SECRET)
    client.put_secret_value(SecretId=SECRET, SecretString=json.dumps({"username": "u", "password": HIDDEN}))
    assert parsed()["password"] == HIDDEN


# Where it is used.


def services(**chosen: str) -> Services:
    return Services(replace(settings.load({}), **chosen))  # type: ignore[arg-type]


def test_without_a_secret_the_url_is_that_of_the_settings() -> None:
    url = "postgresql://u:p@db.example/sluice"
    assert services(database_url=url).database_url() == url


def test_with_a_secret_the_address_has_its_credentials(client: "SecretsManagerClient") -> None:
    keep(client, {"username": "u", "password": HIDDEN})
    address = services(database_url=URL, database_secret=SECRET).database_url()
    assert conninfo_to_dict(address)["password"] == HIDDEN


def test_a_secret_alone_is_no_address() -> None:
    with pytest.raises(SettingError, match="DATABASE_URL is not set"):
        services(database_secret=SECRET).database_url()
    with pytest.raises(SettingError, match="DATABASE_URL is not set"):
        _ = services(database_secret=SECRET)._pool


def test_the_services_pool_asks_when_it_connects_and_not_before(client: "SecretsManagerClient") -> None:
    pool = services(database_url=URL, database_secret=SECRET)._pool  # there is no such secret yet
    keep(client, {"username": "u", "password": HIDDEN})
    assert callable(pool.conninfo)
    assert conninfo_to_dict(pool.conninfo())["password"] == HIDDEN


def refused(pool: Pool) -> bool:
    """Borrow a connection, which must raise RetryLater. The pool connects in threads of its own."""
    with pytest.raises(RetryLater), transaction_on(pool):
        pass
    return True


def test_the_address_is_asked_for_each_new_connection() -> None:
    """A rotated password reaches the connections that are made after it; no server is needed to see it."""
    asked: list[int] = []

    def url() -> str:
        asked.append(len(asked))
        return f"postgresql://u:p{len(asked)}@127.0.0.1:1/sluice"  # no server listens there

    pool = Pool(url, size=1, wait_seconds=0.3)
    for _ in range(2):

        def asked_again(before: int = len(asked)) -> bool:
            return refused(pool) and len(asked) > before

        wait_for(asked_again)
    pool.close()


def test_a_pool_with_an_unusable_secret_raises_retry_later(
    client: "SecretsManagerClient", caplog: pytest.LogCaptureFixture
) -> None:
    keep(client, HIDDEN)
    made = services(database_url=URL, database_secret=SECRET)
    pool = Pool(made.database_url, size=1, wait_seconds=0.3)
    wait_for(lambda: refused(pool) and f"no credentials from the secret {SECRET}" in caplog.text)
    pool.close()
    assert HIDDEN not in caplog.text


# Upload tokens


def test_secrets_of_upload_tokens_are_remembered_until_they_are_read_afresh(
    client: "SecretsManagerClient",
) -> None:
    arn = keep(client, "o" * 32)
    assert token_secrets(arn, fresh=False) == (b"o" * 32,)
    client.put_secret_value(SecretId=arn, SecretString=f"{'n' * 32},{'o' * 32}")
    assert token_secrets(arn, fresh=False) == (b"o" * 32,)
    assert token_secrets(arn, fresh=True) == (b"n" * 32, b"o" * 32)
    assert token_secrets(arn, fresh=False) == (b"n" * 32, b"o" * 32)


@pytest.mark.parametrize("secret", [HIDDEN, f'["{HIDDEN}"', f"{HIDDEN},", '["a"]'])
def test_wrong_secrets_of_upload_tokens_are_not_told(client: "SecretsManagerClient", secret: str) -> None:
    arn = keep(client, secret)
    with pytest.raises(RetryLater) as error:
        token_secrets(arn, fresh=False)
    assert HIDDEN not in "".join(traceback.format_exception(error.value))


def test_a_service_signs_with_the_secret_that_it_is_told_of(client: "SecretsManagerClient") -> None:
    arn = keep(client, "o" * 32)
    own = Services(settings.load({"SLUICE_TOKEN_SECRETS_ID": arn}))
    others = Services(settings.load({"SLUICE_TOKEN_SECRETS": "o" * 32}))
    assert own._token_secrets(fresh=False) == others._token_secrets(fresh=True) == (b"o" * 32,)
    client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    with pytest.raises(RetryLater, match="GetParameterError"):
        own._token_secrets(fresh=True)

"""Settings come from the environment; a wrong one is named."""

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


def test_what_is_needed_must_be_there() -> None:
    assert required("x", "DATABASE_URL") == "x"
    with pytest.raises(SettingError, match="DATABASE_URL is not set"):
        required("", "DATABASE_URL")


def test_an_empty_address_is_none() -> None:
    assert load({"AWS_ENDPOINT_URL": ""}).aws_endpoint_url is None

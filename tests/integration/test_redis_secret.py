"""The password of Redis, out of a secret."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
import pytest
from aws_lambda_powertools.utilities import parameters
from moto import mock_aws

from chalicelib import settings
from chalicelib.core.errors import RetryLater
from chalicelib.wiring import Services

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

SECRET = "sluice-dev-redis"


@pytest.fixture
def secrets(services: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator["SecretsManagerClient"]:
    assert services
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    parameters.clear_caches()  # type: ignore[no-untyped-call]
    with mock_aws():
        yield boto3.client("secretsmanager")
    parameters.clear_caches()  # type: ignore[no-untyped-call]


def process(services: Mapping[str, str]) -> Services:
    parts = urlsplit(services["REDIS_URL"])
    url = parts._replace(netloc=f"{parts.hostname}:{parts.port}").geturl()
    named = {"REDIS_URL": url, "REDIS_SECRET": SECRET, "SLUICE_QUEUE_BACKEND": "redis"}
    return Services(settings.load(named))


def keep(secrets: "SecretsManagerClient", password: str | None) -> None:
    text = json.dumps({"username": "default", "password": password})
    secrets.create_secret(Name=SECRET, SecretString=text)


def test_the_queue_logs_in_with_the_password_of_the_secret(
    services: Mapping[str, str], secrets: "SecretsManagerClient"
) -> None:
    keep(secrets, urlsplit(services["REDIS_URL"]).password)
    process(services).sender.ping()


def test_a_wrong_password_is_refused_and_not_told(
    services: Mapping[str, str], secrets: "SecretsManagerClient"
) -> None:
    keep(secrets, "wrong horse battery staple")
    with pytest.raises(RetryLater) as refused:
        process(services).sender.ping()
    assert "horse" not in str(refused.value)


def test_without_the_secret_the_queue_is_away(
    services: Mapping[str, str], secrets: "SecretsManagerClient"
) -> None:
    assert secrets
    with pytest.raises(RetryLater, match=f"no credentials from the secret {SECRET}"):
        process(services).sender.ping()

"""The passwords of the roles, out of secrets: set by the migrations' function, and replaced."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import psycopg
import pytest
from aws_lambda_powertools.utilities import parameters
from moto import mock_aws
from psycopg import sql

from chalicelib import settings
from chalicelib.backends.postgres.database import Pool, transaction_on
from chalicelib.core.errors import RetryLater
from chalicelib.entrypoints.roles import set_logins, sources_in
from chalicelib.settings import SettingError
from chalicelib.wiring import Services

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

ROLES = ("api", "worker", "sweep", "analyst")


class Secrets:
    """A secret for each role, as the template `database` makes them."""

    def __init__(self, client: "SecretsManagerClient", stage: str) -> None:
        self._client = client
        self._logins = {role: f"sluice_{stage}_{role}" for role in ROLES}
        self.arns = {
            role: client.create_secret(Name=login, SecretString=self._text(role, "first"))["ARN"]
            for role, login in self._logins.items()
        }

    @property
    def setting(self) -> str:
        return ",".join(f"{role}={arn}" for role, arn in self.arns.items())

    @property
    def logins(self) -> list[str]:
        return list(self._logins.values())

    def replace(self, role: str, password: str) -> None:
        self._client.put_secret_value(SecretId=self.arns[role], SecretString=self._text(role, password))

    def _text(self, role: str, password: str) -> str:
        return json.dumps({"username": self._logins[role], "password": password})


@pytest.fixture
def secrets(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secrets]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    parameters.clear_caches()  # type: ignore[no-untyped-call]
    with mock_aws():
        made = Secrets(boto3.client("secretsmanager", region_name="eu-west-1"), uuid4().hex[:8])
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        yield made
    parameters.clear_caches()  # type: ignore[no-untyped-call]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for login in made.logins:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(login)))


@pytest.fixture
def connect(database_url: str) -> Callable[[str, str], str]:
    """Return a function that logs in, and returns the role that the login is in."""

    def log_in(login: str, password: str) -> str:
        parts = urlsplit(database_url)
        place = f"{login}:{password}@{parts.hostname}:{parts.port}"
        with psycopg.connect(parts._replace(netloc=place).geturl()) as connection:
            (role,) = connection.execute(
                "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = current_user::regrole"
            ).fetchall()
            return str(role[0])

    return log_in


def test_every_role_gets_the_login_of_its_secret(
    secrets: Secrets, database_url: str, connect: Callable[[str, str], str]
) -> None:
    assert set_logins(database_url, sources_in(secrets.setting)) == secrets.logins
    assert [connect(login, "first") for login in secrets.logins] == [f"sluice_{role}" for role in ROLES]


def test_a_password_that_was_replaced_a_moment_ago_is_set(
    secrets: Secrets, database_url: str, connect: Callable[[str, str], str]
) -> None:
    set_logins(database_url, sources_in(secrets.setting))
    secrets.replace("api", "second")
    set_logins(database_url, sources_in(secrets.setting))  # in the same process, which remembers the first
    api, worker = secrets.logins[:2]
    assert connect(api, "second") == "sluice_api"
    assert connect(worker, "first") == "sluice_worker"
    with pytest.raises(psycopg.OperationalError, match="password"):
        connect(api, "first")


def test_a_failed_connection_makes_the_secret_be_read_again(secrets: Secrets, database_url: str) -> None:
    set_logins(database_url, sources_in(secrets.setting))
    place = urlsplit(database_url)
    address = place._replace(netloc=f"{place.hostname}:{place.port}").geturl()
    process = Services(settings.load({"DATABASE_URL": address, "DATABASE_SECRET": secrets.arns["api"]}))
    assert ":first@" in process.database_url()
    secrets.replace("api", "second")  # by somebody else, who sets it in Postgres, too
    with psycopg.connect(database_url, autocommit=True) as owner:
        change = sql.SQL("ALTER ROLE {} PASSWORD 'second'").format(sql.Identifier(secrets.logins[0]))
        owner.execute(change)
    pool = Pool(process.database_url, size=1, wait_seconds=0.5, on_failure=process._read_password_again)
    with pytest.raises(RetryLater), transaction_on(pool):
        pass
    for _ in range(20):  # the pool finds out in a thread of its own
        try:
            with transaction_on(pool) as connection:
                connection.execute("SELECT 1")
            break
        except RetryLater:
            continue
    else:
        pytest.fail("the new password was not read")
    pool.close()


@pytest.mark.parametrize("text", ["", "api", "owner=arn:x", "api=arn:x,,", "api:arn"])
def test_a_list_of_secrets_names_roles(text: str) -> None:
    with pytest.raises(SettingError, match=r"DATABASE_ROLE_SECRETS: .* is not ROLE=SOURCE"):
        sources_in(text)

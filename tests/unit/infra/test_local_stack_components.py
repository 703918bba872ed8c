from pathlib import Path

import pytest

from infra.emulator.environment import application_env
from infra.local import cli, stack
from infra.steps.errors import StepError


def test_components_bring_those_they_need() -> None:
    assert stack.closure(["redis"]) == {"redis"}
    assert stack.closure(["migrations"]) == {"migrations", "postgres"}
    assert stack.closure(["app"]) == {"app", "migrations", "postgres", "redis", "localstack"}
    assert stack.closure(stack.COMPONENTS) == set(stack.COMPONENTS)


def test_an_unknown_component_is_refused() -> None:
    with pytest.raises(StepError, match="no such component: mysql"):
        stack.closure(["mysql", "redis"])


def test_the_application_gets_its_own_settings_only() -> None:
    env = {
        "SLUICE_URL": "its own address, which it must not need",
        "DATABASE_URL": "d",
        "REDIS_URL": "r",
        "AWS_ENDPOINT_URL": "a",
        "AWS_ACCESS_KEY_ID": "Lambda and the worker have credentials of their own",
        "SLUICE_QUEUE_BACKEND": "sqs",
    }

    assert application_env(env) == {
        "DATABASE_URL": "d",
        "REDIS_URL": "r",
        "AWS_ENDPOINT_URL": "a",
        "SLUICE_QUEUE_BACKEND": "sqs",
    }


def test_the_secret_of_upload_tokens_stays_and_is_the_owners(tmp_path: Path) -> None:
    first = stack.token_secret(tmp_path)
    assert len(first) == 64
    assert stack.token_secret(tmp_path) == first
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_up_takes_origins(capsys: pytest.CaptureFixture[str]) -> None:
    def origins(text: str) -> tuple[str, ...]:
        found: tuple[str, ...] = cli.parser().parse_args(["up", "--origins", text]).origins
        return found

    assert cli.parser().parse_args(["up"]).origins == origins("") == ()
    assert origins("http://localhost:8000,https://a.example") == (
        "http://localhost:8000",
        "https://a.example",
    )
    with pytest.raises(SystemExit):
        origins("*")
    assert "must list origins as browsers send them" in capsys.readouterr().err

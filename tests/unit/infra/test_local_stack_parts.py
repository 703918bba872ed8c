import pytest

from infra import audit
from infra.emulator.environment import application_env
from infra.local import stack
from infra.steps.errors import StepError


def test_parts_bring_what_they_need() -> None:
    assert stack.closure(["redis"]) == {"redis"}
    assert stack.closure(["migrations"]) == {"migrations", "postgres"}
    assert stack.closure(["app"]) == {"app", "postgres", "redis", "localstack"}
    assert stack.closure(stack.COMPONENTS) == set(stack.COMPONENTS)


def test_an_unknown_component_is_refused() -> None:
    with pytest.raises(StepError, match="no such component: mysql"):
        stack.closure(["mysql", "redis"])


def test_what_the_application_is_told() -> None:
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


VULNERABLE = {"name": "p", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
SOUND = {"name": "q", "version": "1", "vulns": []}
SKIPPED = {"name": "r", "skip_reason": "not found on PyPI"}


@pytest.mark.parametrize(
    ("file", "packages", "status", "strict_status"),
    [
        ("requirements.txt", [SOUND], 0, 0),
        ("requirements.txt", [SOUND, VULNERABLE], 1, 1),
        ("infra/local/requirements-localstack.txt", [VULNERABLE], 0, 0),
        ("requirements.txt", [SOUND, SKIPPED], 0, 1),
        ("requirements.txt", None, 0, 1),
    ],
)
def test_audit(
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    packages: list[dict[str, object]] | None,
    status: int,
    strict_status: int,
) -> None:
    monkeypatch.setattr(audit, "audit", lambda _: packages)

    monkeypatch.delenv("AUDIT", raising=False)
    assert audit.main([file]) == status
    monkeypatch.setenv("AUDIT", "strict")
    assert audit.main([file]) == strict_status


def test_audit_says_what_it_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "audit", lambda _: [SOUND, VULNERABLE, SKIPPED])

    audit.main(["requirements.txt"])

    assert capsys.readouterr().out.splitlines() == [
        "  p 1: CVE-1, fixed in 2",
        "pip-audit requirements.txt: 2 of 3 packages looked up",
        "NOT AUDITED: of some packages above, the vulnerability service could not be asked",
    ]

import pytest

from infra import audit

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
def test_the_audit_fails_for_vulnerabilities_and_strictly_for_gaps(
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


def test_the_audit_prints_its_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "audit", lambda _: [SOUND, VULNERABLE, SKIPPED])

    audit.main(["requirements.txt"])

    assert capsys.readouterr().out.splitlines() == [
        "  p 1: CVE-1, fixed in 2",
        "pip-audit requirements.txt: 2 of 3 packages looked up",
        "NOT AUDITED: of some packages above, the vulnerability service could not be asked",
    ]

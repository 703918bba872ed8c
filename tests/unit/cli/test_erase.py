"""``sluice erase``."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sluice_cli import errors, follow
from sluice_cli.main import main
from tests.support.cli_fake import PREFIX, Answer, FakeSluice, problem

ID = "b0f6a1f0-2a35-4c2a-9d0e-6a3f0f5a7c11"


def erasure(**members: Any) -> dict[str, Any]:
    counts = {"rows": 1234, "rejects": 1, "objects": 2, "waits_for": []}
    return {"id": ID, "dataset": "people", "field": "email", "completed_at": None, **counts, **members}


DONE = erasure(completed_at="2026-01-02T03:04:05Z")


def run(server: FakeSluice, *arguments: str, given: str = "ada@example.org\n") -> Result:
    command = ["--url", server.url, "erase", "people", "--field", "email", *arguments]
    return CliRunner().invoke(main, command, input=given)


@pytest.mark.parametrize("given", ["ada@example.org\n", "ada@example.org\r\n", "ada@example.org"])
def test_the_value_comes_from_standard_input_and_the_result_is_waited_for(
    server: FakeSluice, given: str
) -> None:
    server.erasures = [Answer(202, erasure()), Answer(200, erasure(waits_for=["a-job"])), Answer(200, DONE)]
    result = run(server, "--yes", given=given)
    assert result.exit_code == 0
    assert result.stdout == "Erased: rows: 1,234, rejects emptied: 1, files: 2.\n"
    assert "waits for jobs that have not ended: a-job" in result.stderr
    (sent,) = server.requests_of("POST")
    assert (sent.target, sent.json) == (
        f"{PREFIX}/datasets/people/erase",
        {"field": "email", "value": "ada@example.org"},
    )
    assert [it.target for it in server.requests_of("GET")] == [f"{PREFIX}/datasets/people/erasures/{ID}"] * 2


BUSY = problem(429, "Too Many Requests", "Later.")
OUT = problem(503, "Service Unavailable", "The database does not answer.")


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make the clock one that only sleeping advances, and return the pauses."""
    slept: list[float] = []
    monkeypatch.setattr("sluice_cli.commands.erase.time.sleep", slept.append)
    timing = follow.Timing(clock=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(follow, "Timing", lambda: timing)
    return slept


def test_an_outage_does_not_end_the_wait(server: FakeSluice, naps: list[float]) -> None:
    server.erasures = [Answer(202, erasure()), BUSY, OUT, None, Answer(200, DONE)]
    result = run(server, "--yes")
    assert result.exit_code == 0
    assert result.stdout == "Erased: rows: 1,234, rejects emptied: 1, files: 2.\n"
    assert "Too Many Requests: Later. Trying again for 2 min" in result.stderr
    assert "The API answers again." in result.stderr
    assert naps[1:] == [0.5, 1.0, 2.0]


def test_an_outage_without_end_ends_the_wait_and_not_the_erasure(
    server: FakeSluice, naps: list[float]
) -> None:
    server.erasures = [Answer(202, erasure()), OUT]
    result = run(server, "--yes")
    assert result.exit_code == errors.SERVICE_ERROR
    assert sum(naps) > 120
    assert result.stderr.endswith("The erasure continues by itself.\n")


def test_a_refusal_ends_the_wait_at_once(server: FakeSluice, naps: list[float]) -> None:
    server.erasures = [Answer(202, erasure()), problem(403, "Forbidden", "No.")]
    assert run(server, "--yes").exit_code == errors.SERVICE_ERROR
    assert len(naps) == 1


def test_it_need_not_be_waited_for(server: FakeSluice) -> None:
    server.erasures = [Answer(202, erasure())]
    result = run(server, "--yes", "--no-wait", "--json")
    assert json.loads(result.stdout) == erasure()
    assert ID in result.stderr
    assert server.requests_of("GET") == []


def test_nothing_is_erased_unasked(server: FakeSluice) -> None:
    assert run(server).exit_code == 2  # it cannot ask
    for answer in ("n\n", "\n", ""):
        assert run(server, "--value", "ada@example.org", given=answer).exit_code == 1
    assert server.requests == []
    server.erasures = [Answer(202, DONE)]
    assert run(server, "--value", "ada@example.org", given="y\n").exit_code == 0

"""``sluice erase``."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sluice_cli.main import main
from tests.support.cli_fake import PREFIX, Answer, FakeSluice

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


def test_it_need_not_be_waited_for(server: FakeSluice) -> None:
    server.erasures = [Answer(202, erasure())]
    result = run(server, "--yes", "--no-wait", "--json")
    assert json.loads(result.stdout) == erasure()
    assert ID in result.stderr
    assert server.requests_of("GET") == []


def test_nothing_is_erased_unasked(server: FakeSluice) -> None:
    assert run(server).exit_code == 2  # nobody can be asked
    for answer in ("n\n", "\n", ""):
        assert run(server, "--value", "ada@example.org", given=answer).exit_code == 1
    assert server.requests == []
    server.erasures = [Answer(202, DONE)]
    assert run(server, "--value", "ada@example.org", given="y\n").exit_code == 0

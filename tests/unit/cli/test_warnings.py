"""The warnings of a job as the client prints them, and its exit status for them."""

import json
from pathlib import Path
from typing import Any

import pytest

from sluice_cli import errors
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, run

PREAMBLE: dict[str, Any] = {
    "code": "lines-before-header",
    "message": "The lines before the header were skipped.",
    "count": 1200,
    "first": {"record": None, "line": 1, "offset": 0},
    "example": "Payouts of March",
    "option": "skip_lines",
}
RAGGED: dict[str, Any] = {
    "code": "mixed-line-endings",
    "message": "The lines of the file end in different ways.",
    "count": 1,
    "first": {"record": 2041, "line": None, "offset": 73175},
    "example": "\x1b[2J\u202e7,Ada",
    "option": None,
}
PRINTED = [
    "Warning: lines-before-header: The lines before the header were skipped.",
    "  count: 1,200",
    "  first at: line 1",
    "  example: Payouts of March",
    "  to decide it: -o skip_lines=…",
    "Warning: mixed-line-endings: The lines of the file end in different ways.",
    "  count: 1",
    "  first at: record 2,041, byte 73,175",
    "  example: \\x1b[2J\\u202e7,Ada",
]


def warned(status: str = "COMPLETED", **members: object) -> dict[str, Any]:
    return job(status, warnings=[PREAMBLE, RAGGED], **members)


@pytest.mark.parametrize("command", ["upload", "job", "job --follow"])
def test_warnings_are_printed_after_the_counts(server: FakeSluice, csv: Path, command: str) -> None:
    server.polls = [Answer(200, warned())]
    arguments = [command, str(csv)] if command == "upload" else [*command.split(), JOB_ID]

    result = run(server, *arguments)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[-len(PRINTED) :] == PRINTED
    assert lines[-len(PRINTED) - 2 : -len(PRINTED)] == [
        "read 4,021 = 3,902 inserted + 101 duplicates + 18 rejected",
        f"See what was rejected and why: sluice errors {JOB_ID}",
    ]


def test_json_output_has_the_warnings_and_people_read_them_too(server: FakeSluice) -> None:
    server.polls = [Answer(200, warned())]
    result = run(server, "job", JOB_ID, "--follow", "--json")
    assert json.loads(result.stdout)["warnings"] == [PREAMBLE, RAGGED]
    assert result.stderr.splitlines()[-len(PRINTED) :] == PRINTED


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (warned(), errors.WARNED),
        (job(warnings=[]), 0),
        (job(), 0),  # of an API that knows no warnings
        (warned("FAILED", error={"code": "nothing-loaded", "message": "All."}), errors.JOB_FAILED),
        (warned("CANCELED"), errors.JOB_FAILED),
    ],
    ids=["warnings", "none", "unknown", "failed", "canceled"],
)
@pytest.mark.parametrize("command", ["upload", "job"])
def test_warnings_have_an_exit_status_of_their_own(
    server: FakeSluice, csv: Path, command: str, document: dict[str, Any], status: int
) -> None:
    server.polls = [Answer(200, document)]
    what = str(csv) if command == "upload" else JOB_ID
    assert run(server, command, what, "--fail-on-warnings").exit_code == status
    assert run(server, command, what).exit_code == (0 if status == errors.WARNED else status)


def test_a_job_that_has_not_ended_is_not_finished_whatever_its_warnings(server: FakeSluice) -> None:
    server.polls = [Answer(200, warned("PROCESSING"), {"Retry-After": "1"})]
    assert run(server, "job", JOB_ID, "--fail-on-warnings").exit_code == errors.NOT_FINISHED


def test_warnings_cannot_be_counted_without_following(server: FakeSluice, csv: Path) -> None:
    result = run(server, "upload", str(csv), "--no-follow", "--fail-on-warnings")
    assert result.exit_code == errors.INPUT_ERROR
    assert server.requests == []


@pytest.mark.parametrize("warnings", [None, "x", {}, [{}], [{"code": 7, "first": [], "count": "many"}]])
def test_warnings_of_any_form_are_no_error(server: FakeSluice, warnings: object) -> None:
    server.polls = [Answer(200, job(warnings=warnings))]
    assert run(server, "job", JOB_ID).exit_code == 0


def test_the_help_explains_the_exit_status(server: FakeSluice) -> None:
    assert f"  {errors.WARNED}    the job is COMPLETED with warnings" in run(server, "--help").stdout

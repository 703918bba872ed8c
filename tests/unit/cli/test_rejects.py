"""Budgets and rejects on the command line: what is sent, what a summary prints, the exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from sluice_cli import errors
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, run


def kind(code: str, count: int, field: str | None = None, **first: int) -> dict[str, Any]:
    return {"code": code, "field": field, "count": count, "first": first or None}


KINDS = [
    kind("missing-cell", 1200, record=1, line=3, row=2, offset=9),
    kind("type-error", 30, "age", record=2041, offset=73175),
    kind("encoding-error", 4, "\x1b[2J", line=8, record=7),
    kind("blank-row", 3),
    kind("extra-cell", 2),
    kind("stray-quote", 1),
    kind("nul-character", 1),
]
COUNTS = {"read": 5000, "inserted": 3750, "duplicates": 9, "rejected": 1241}
PRINTED = [
    "read 5,000 = 3,750 inserted + 9 duplicates + 1,241 rejected",
    "  1,200 missing-cell, first at row 2, line 3, record 1",
    "  30 type-error in column age, first at record 2,041, byte 73,175",
    "  4 encoding-error in column \\x1b[2J, first at line 8, record 7",
    "  3 blank-row",
    "  2 extra-cell",
    f"  and 2 more kinds: sluice errors {JOB_ID} --summary",
    f"See what was rejected and why: sluice errors {JOB_ID}",
]


def rejected(status: str = "COMPLETED", **members: object) -> dict[str, Any]:
    return job(status, counts=COUNTS, rejects=KINDS, **members)


@pytest.mark.parametrize("command", ["upload", "job", "job --follow"])
def test_the_most_frequent_rejects_are_printed_after_the_counts(
    server: FakeSluice, csv: Path, command: str
) -> None:
    server.polls = [Answer(200, rejected())]
    what = [command, str(csv)] if command == "upload" else [*command.split(), JOB_ID]
    result = run(server, *what)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-len(PRINTED) :] == PRINTED


def test_a_summary_counts_rejects_in_one_request(server: FakeSluice) -> None:
    server.polls = [Answer(200, rejected())]
    head, *rows = run(server, "errors", JOB_ID, "--summary").stdout.splitlines()
    assert head.split() == ["COUNT", "CODE", "COLUMN", "FIRST", "AT"]
    assert " ".join(rows[0].split()) == "1,200 missing-cell row 2, line 3, record 1"
    assert " ".join(rows[1].split()) == "30 type-error age record 2,041, byte 73,175"
    assert "\\x1b[2J" in rows[2]
    assert rows[len(KINDS) :] == [
        "1,241 of 5,000 records were rejected.",
        f"See each with its reason: sluice errors {JOB_ID}",
    ]
    assert len(server.requests) == 1


def test_a_summary_explains_each_code_once(server: FakeSluice) -> None:
    told = {
        "message": "Not text.",
        "option": "encoding",
        "first": {"row": 3, "message": "Row 3 is not text."},
    }
    kinds = [{"code": "encoding-error", "field": name, "count": 9, **told} for name in ("a", "b")]
    server.polls = [Answer(200, job(counts=COUNTS, rejects=[*kinds, *KINDS]))]
    lines = run(server, "errors", JOB_ID, "--summary").stdout.splitlines()
    at = lines.index("encoding-error: Not text.")
    assert lines[at + 1 : at + 3] == ["  Row 3 is not text.", "  Option: encoding"]
    assert lines.count("encoding-error: Not text.") == 1


def test_a_summary_says_how_many_it_does_not_show(server: FakeSluice) -> None:
    server.polls = [Answer(200, job(counts=COUNTS, rejects=KINDS[:2]))]
    assert "and 11 for other reasons" in run(server, "errors", JOB_ID, "--summary").stdout.splitlines()


def test_a_summary_as_json_is_an_object_a_line(server: FakeSluice) -> None:
    server.polls = [Answer(200, rejected())]
    stdout = run(server, "errors", JOB_ID, "--summary", "--json").stdout
    assert [json.loads(line) for line in stdout.splitlines()] == KINDS


def test_a_summary_of_nothing_says_so(server: FakeSluice) -> None:
    server.polls = [Answer(200, job(counts={**COUNTS, "rejected": 0}, rejects=[]))]
    assert run(server, "errors", JOB_ID, "--summary").stdout == "No rejected records.\n"
    assert run(server, "errors", JOB_ID, "--summary", "--json").stdout == ""
    assert run(server, "errors", JOB_ID, "--summary", "--limit", "1").exit_code == errors.INPUT_ERROR


WARNING = {"code": "x", "message": "X.", "count": 1, "first": {}, "example": None, "option": None}
NO_REJECTS = {"read": 1, "inserted": 1, "duplicates": 0, "rejected": 0}


@pytest.mark.parametrize(
    ("document", "flags", "status"),
    [
        (rejected(), ["--fail-on-rejects"], errors.REJECTED),
        (rejected(warnings=[WARNING]), ["--fail-on-rejects", "--fail-on-warnings"], errors.REJECTED),
        (rejected(warnings=[WARNING]), ["--fail-on-warnings"], errors.WARNED),
        (job(counts=NO_REJECTS), ["--fail-on-rejects"], 0),
        (
            job(counts=NO_REJECTS, warnings=[WARNING]),
            ["--fail-on-rejects", "--fail-on-warnings"],
            errors.WARNED,
        ),
        (rejected("FAILED", error={"code": "x", "message": "X."}), ["--fail-on-rejects"], errors.JOB_FAILED),
        (rejected(), [], 0),
    ],
)
def test_rejects_have_an_exit_status_of_their_own(
    server: FakeSluice, csv: Path, document: dict[str, Any], flags: list[str], status: int
) -> None:
    server.polls = [Answer(200, document)]
    for what in (("upload", str(csv)), ("job", JOB_ID), ("job", JOB_ID, "--follow")):
        assert run(server, *what, *flags).exit_code == status


def test_a_retry_has_the_exit_status_too(server: FakeSluice) -> None:
    server.polls = [Answer(200, rejected())]
    assert run(server, "retry", JOB_ID, "--follow", "--fail-on-rejects").exit_code == errors.REJECTED
    assert run(server, "retry", JOB_ID, "--fail-on-rejects").exit_code == errors.INPUT_ERROR


def test_rejects_cannot_be_counted_without_following(server: FakeSluice, csv: Path) -> None:
    result = run(server, "upload", str(csv), "--no-follow", "--fail-on-rejects")
    assert result.exit_code == errors.INPUT_ERROR
    assert server.requests == []


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("1000", 1000), ("5%", "5%"), ("0.5%", "0.5%")])
def test_a_budget_reaches_the_api(server: FakeSluice, csv: Path, text: str, value: int | str) -> None:
    run(server, "upload", str(csv), "--max-rejects", text, "--on-failure", "undo")
    body = server.requests_of("POST")[0].json
    assert (body["max_rejects"], body["on_failure"]) == (value, "undo")
    run(server, "retry", JOB_ID, "--max-rejects", text)
    assert server.requests_of("POST", "/retry")[0].json == {"max_rejects": value}


def test_what_becomes_of_rejects_beyond_the_limit_reaches_the_api(server: FakeSluice, csv: Path) -> None:
    run(server, "upload", str(csv), "--rejects-beyond-limit", "count")
    assert server.requests_of("POST")[0].json["rejects_beyond_limit"] == "count"
    run(server, "retry", JOB_ID, "--rejects-beyond-limit", "count")
    assert server.requests_of("POST", "/retry")[0].json == {"rejects_beyond_limit": "count"}


def test_a_retry_can_remove_the_budget(server: FakeSluice) -> None:
    run(server, "retry", JOB_ID, "--max-rejects", "none", "--on-failure", "keep")
    assert server.requests_of("POST")[0].json == {"max_rejects": None, "on_failure": "keep"}


@pytest.mark.parametrize("text", ["", "x", "-1", "5 %", "1.5", "%", "none"])
def test_a_wrong_budget_is_an_error_of_the_command_line(server: FakeSluice, csv: Path, text: str) -> None:
    assert run(server, "upload", str(csv), "--max-rejects", text).exit_code == errors.INPUT_ERROR
    assert run(server, "upload", str(csv), "--on-failure", "drop").exit_code == errors.INPUT_ERROR
    assert server.requests == []


@pytest.mark.parametrize("rejects", [None, "x", {}, [{}], [{"code": 7, "first": [], "count": "many"}]])
def test_rejects_of_any_form_are_no_error(server: FakeSluice, rejects: object) -> None:
    server.polls = [Answer(200, job(rejects=rejects))]
    assert run(server, "job", JOB_ID).exit_code == 0
    assert run(server, "errors", JOB_ID, "--summary").exit_code == 0


def test_the_help_explains_the_exit_status(server: FakeSluice) -> None:
    assert (
        f"  {errors.REJECTED}    the job is COMPLETED and has rejected records"
        in run(server, "--help").stdout
    )

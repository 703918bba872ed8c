"""`sluice preview` and `sluice load`."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sluice_cli.documents.jobs import Job
from sluice_cli.documents.previews import Preview
from sluice_cli.previews import print_preview
from tests.support.cli_fake import CSV, JOB_ID, Answer, FakeSluice, job, problem, reject, run

ZERO = dict.fromkeys(("read", "inserted", "duplicates", "rejected"), 0)
READING = {
    "format": "csv",
    "delimiter": "\t",
    "quote": '"',
    "encoding": "utf-8",
    "data_line": 2,
    "columns": ["name", "age", "note"],
}
PREVIEW: dict[str, Any] = {
    "records": [{"age": "36", "name": "Ada"}, {"name": "Bo\u202e", "note": {"deep": [1, 2]}}],
    "rejects": [reject(3)],
    "warnings": [{"code": "short-rows", "message": "Too short.", "count": 1, "option": "short_rows"}],
    "counts": {"read": 500, "rejected": 2},
    "text_bytes": 1_048_000,
    "whole_file": False,
    "sure": {"delimiter": "close", "quote": "clear", "skip_lines": "assumed", "encoding": "default"},
    "runner_up": {"delimiter": ",", "quote": '"', "escape": None, "score": 0.8},
}


def previewed(**members: Any) -> dict[str, Any]:
    return job("PREVIEWED", counts=ZERO, detected=READING, preview=PREVIEW | members)


@pytest.fixture
def server(server: FakeSluice) -> FakeSluice:
    """Return a server whose job is PREVIEWED."""
    server.polls = [Answer(200, job("PROCESSING")), Answer(200, previewed())]
    return server


@pytest.fixture
def file(csv: Path) -> str:
    return str(csv)


def test_a_preview_shows_reading_warnings_records_and_rejects(server: FakeSluice, file: str) -> None:
    result = run(server, "preview", file, "--dataset", "people", "-o", "header=true", "--format", "csv")
    assert result.exit_code == 0
    (request,) = server.requests_of("POST", "/uploads")
    assert {name: request.json[name] for name in ("preview", "dataset", "options", "format")} == {
        "preview": True,
        "dataset": "people",
        "options": {"header": True},
        "format": "csv",
    }
    assert list(server.objects.values()) == [CSV]
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    start = lines.index("PREVIEWED: people.csv for dataset default, nothing is loaded")
    assert lines[start:] == [
        "PREVIEWED: people.csv for dataset default, nothing is loaded",
        "  format      csv",
        '  delimiter   "\\t"                    found in the file, but not sure',
        '  quote       "\\""                    found in the file',
        "  skip_lines  records from line 3 on  assumed: see the warning",
        '  encoding    "utf-8"                 default',
        '  The next best reading: delimiter ",", quote "\\"", with 80% of the score',
        "Warning: short-rows: Too short.",
        "  count: 1",
        "  to decide it: -o short_rows=…",
        "",
        "The first 2 records of 498 read:",
        "name      age  note",
        "Ada       36",
        'Bo\\u202e       {"deep": [1, 2]}',
        "Only the first 1.0 MB of the file were read for this.",
        "",
        "The first 1 rejected records of 2 read:",
        "ROW  LINE  RECORD  COLUMN  CODE        MESSAGE          EXCERPT",
        "                3  age     type-error  is not a number  row 3",
        "",
        f"To load it: sluice load {JOB_ID} --follow",
        f"To preview it in another way: sluice retry {JOB_ID} --follow -o NAME=VALUE",
    ]


def test_a_preview_as_json_is_the_jobs_document(server: FakeSluice, file: str) -> None:
    result = run(server, "preview", file, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == previewed()


def test_a_file_that_cannot_be_read_ends_with_1(server: FakeSluice, file: str) -> None:
    server.polls = [Answer(200, job("FAILED", counts=ZERO, error={"code": "empty-file", "message": "No."}))]
    result = run(server, "preview", file)
    assert result.exit_code == 1
    assert "empty-file: No." in result.stdout


def test_a_preview_without_records_says_so(server: FakeSluice, file: str) -> None:
    server.polls = [Answer(200, previewed(records=[], rejects=[], text_bytes=0, runner_up=None, sure={}))]
    result = run(server, "preview", file)
    assert result.exit_code == 0
    assert "No record of the first 0 bytes can be shown." in result.stdout


def test_a_preview_is_shown_again_and_is_not_the_end(server: FakeSluice) -> None:
    server.polls = [Answer(200, previewed())]
    for arguments in (["job", JOB_ID], ["job", JOB_ID, "--follow"], ["retry", JOB_ID, "--follow"]):
        result = run(server, *arguments)
        assert result.exit_code == 4
        assert f"To load it: sluice load {JOB_ID} --follow" in result.stdout


def test_a_previewed_job_is_loaded_with_or_without_changes(server: FakeSluice) -> None:
    server.polls = [Answer(200, job("PENDING")), Answer(200, job())]
    result = run(server, "load", JOB_ID)
    assert result.exit_code == 0
    result = run(server, "load", JOB_ID, "-o", "delimiter=;", "--follow")
    assert result.exit_code == 0
    assert "COMPLETED in" in result.stdout
    bodies = [request.body for request in server.requests_of("POST", f"/jobs/{JOB_ID}/load")]
    assert bodies == [b"", b'{"options":{"delimiter":";"}}']


def test_a_job_that_waits_for_nothing_is_not_loaded(server: FakeSluice) -> None:
    server.actions["load"] = problem(409, "Conflict", "A job that is COMPLETED allows no load.")
    result = run(server, "load", JOB_ID)
    assert result.exit_code == 2
    assert "allows no load" in result.stderr


def test_a_table_is_cut_to_the_terminal() -> None:
    names = [f"column {number}" for number in range(9)]
    record = dict.fromkeys(names, "a value that is longer than its column may be")
    document = previewed(records=[record] * 3)
    document["detected"] = READING | {"columns": names}
    shown = Job.read(document)
    preview = Preview.read_from(shown)
    assert preview is not None
    out = Console(width=60, file=StringIO(), color_system=None, force_terminal=True)
    print_preview(out, shown, preview, "load it", "retry it")
    assert isinstance(out.file, StringIO)
    lines = out.file.getvalue().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("column 0"))
    assert lines[start].split() == [word for name in names[:5] for word in name.split()]
    assert all(len(line) <= 60 and "…" in line for line in lines[start + 1 : start + 4])
    assert lines[start + 4] == "4 more columns do not fit; --json has all."

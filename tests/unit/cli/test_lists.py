"""``sluice jobs`` and ``sluice errors``: pages, tables, JSON lines; how texts and numbers are printed."""

import json
import shlex
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from sluice_cli import errors
from sluice_cli.escaping import safe
from sluice_cli.formatting import duration, shortened
from sluice_cli.main import main
from tests.support.cli_fake import JOB_ID, FakeSluice, job, reject, run


def collapse_spaces(line: str) -> str:
    return " ".join(line.split())


def list_queries(server: FakeSluice) -> list[dict[str, str]]:
    return [
        {k: v[0] for k, v in parse_qs(urlsplit(r.target).query).items()} for r in server.requests_of("GET")
    ]


def test_jobs_are_printed_as_a_table(server: FakeSluice) -> None:
    server.jobs = [job(), job("PROCESSING", filename="[red]b[/red].csv", dataset="ds")]
    head, *rows = run(server, "jobs").stdout.splitlines()
    assert head.split() == [
        "JOB",
        "STATUS",
        "DATASET",
        "FILE",
        "READ",
        "INSERTED",
        "DUPLICATES",
        "REJECTED",
        "AGE",
    ]
    assert rows[0].split()[:-1] == [
        JOB_ID,
        "COMPLETED",
        "default",
        "people.csv",
        "4,021",
        "3,902",
        "101",
        "18",
    ]
    assert "ds" in rows[1]
    assert "[red]b[/red].csv" in rows[1]


def test_filters_and_limit_reach_the_api(server: FakeSluice) -> None:
    run(server, "jobs", "--status", "failed", "--dataset", "a b", "--limit", "7")
    assert list_queries(server) == [{"status": "FAILED", "dataset": "a b", "limit": "7"}]


def test_a_limit_above_the_page_size_takes_several_requests(server: FakeSluice) -> None:
    server.jobs = [job(attempts=n) for n in range(300)]
    documents = [
        json.loads(line) for line in run(server, "jobs", "--limit", "250", "--json").stdout.splitlines()
    ]
    assert [document["attempts"] for document in documents] == list(range(250))
    assert [(q["limit"], q.get("cursor")) for q in list_queries(server)] == [
        ("100", None),
        ("100", "100"),
        ("50", "200"),
    ]


def test_empty_lists_say_so(server: FakeSluice) -> None:
    server.jobs = []
    assert run(server, "jobs").stdout == "No jobs.\n"
    assert run(server, "errors", JOB_ID).stdout == "No rejected records.\n"
    assert run(server, "errors", JOB_ID, "--json").stdout == ""


def test_rejects_are_printed_as_a_table_with_reasons(server: FakeSluice) -> None:
    server.rejects = [
        reject(1041, row=1042, line=2090),
        reject(2, record_number=None, field=None, code="json-syntax", message="broken 世界", raw='{"a'),
        reject(3),
    ]
    head, *rows = run(server, "errors", JOB_ID).stdout.splitlines()
    assert collapse_spaces(head) == "ROW LINE RECORD COLUMN CODE MESSAGE EXCERPT"
    assert collapse_spaces(rows[0]) == "1,042 2,090 1,041 age type-error is not a number row 1041"
    assert collapse_spaces(rows[1]) == '? json-syntax broken 世界 {"a'
    first, wide, last = (cell_len(row[: row.rindex("  ")]) for row in rows)
    assert first == wide == last  # the last column begins at the same place


def test_a_table_of_rejects_grows_with_its_cells_from_page_to_page(server: FakeSluice) -> None:
    server.rejects = [reject(n, message="x" * (n // 200)) for n in range(1, 2101)]
    lines = run(server, "errors", JOB_ID, "--limit", "0").stdout.splitlines()
    assert len(lines) == 1 + 2100
    assert [int(line.split()[0].replace(",", "")) for line in lines[1:]] == list(range(1, 2101))
    assert [(q["limit"], q.get("cursor")) for q in list_queries(server)] == [
        ("1000", None),
        ("1000", "1000"),
        ("1000", "2000"),
    ]


def test_a_page_with_fewer_rejects_than_asked_for_is_not_the_last(server: FakeSluice) -> None:
    server.rejects = [reject(n) for n in range(1, 251)]
    server.most_rejects = 100
    assert len(run(server, "errors", JOB_ID, "--limit", "120").stdout.splitlines()) == 1 + 120 + 1
    assert [q["limit"] for q in list_queries(server)] == ["120", "20"]


def test_a_table_of_rejects_stops_at_a_hundred_and_says_so(server: FakeSluice) -> None:
    server.rejects = [reject(n) for n in range(1, 251)]
    lines = run(server, "errors", JOB_ID).stdout.splitlines()
    assert len(lines) == 1 + 100 + 1
    assert lines[-1] == f"There are more: sluice errors {JOB_ID} --limit 0"
    assert "row 250" in run(server, "errors", JOB_ID, "--limit", "0").stdout


def of_dataset(number: int, **members: object) -> dict[str, Any]:
    return {"job_id": JOB_ID, "filename": "people.csv", **reject(number, **members)}


def test_rejects_of_a_dataset_are_printed_with_their_jobs(server: FakeSluice) -> None:
    server.rejects = [of_dataset(1041, row=1042, line=2090), of_dataset(2, filename="x" * 70)]
    head, *rows = run(server, "errors", "--dataset", "people").stdout.splitlines()
    assert collapse_spaces(head) == "JOB FILE ROW LINE RECORD COLUMN CODE MESSAGE EXCERPT"
    assert collapse_spaces(rows[0]) == (
        f"{JOB_ID} people.csv 1,042 2,090 1,041 age type-error is not a number row 1041"
    )
    assert rows[1].split()[1] == shortened("x" * 70, 60)
    (request,) = server.requests
    assert urlsplit(request.target).path.endswith("/datasets/people/errors")


def test_rejects_of_a_dataset_can_be_filtered_and_listed_to_the_end(server: FakeSluice) -> None:
    server.rejects = [of_dataset(n) for n in range(1, 251)]
    filters = [
        *("--dataset", "people", "--code", "extra-cell", "--field", "my city"),
        *("--since", "2026-01-31", "--until", "2026-02-01T12:00:00"),
    ]
    lines = run(server, "errors", *filters).stdout.splitlines()
    assert len(lines) == 1 + 100 + 1
    assert lines[-1] == (
        "There may be more: sluice errors --dataset people --code extra-cell --field 'my city'"
        " --since 2026-01-31T00:00:00 --until 2026-02-01T12:00:00 --limit 0"
    )
    assert list_queries(server) == [
        {
            "code": "extra-cell",
            "field": "my city",
            "since": "2026-01-31T00:00:00Z",
            "until": "2026-02-01T12:00:00Z",
            "limit": "100",
        }
    ]
    told = run(server, *shlex.split(lines[-1].partition("sluice ")[2]), "--json").stdout
    assert [json.loads(line) for line in told.splitlines()] == server.rejects
    assert list_queries(server)[1] == {**list_queries(server)[0], "limit": "1000"}


def test_an_empty_page_of_rejects_is_not_the_last(server: FakeSluice) -> None:
    server.rejects = [of_dataset(1), of_dataset(2)]
    server.empty_pages = 3
    stdout = run(server, "errors", "--dataset", "people", "--json", "--limit", "9").stdout
    assert [json.loads(line) for line in stdout.splitlines()] == server.rejects
    server.rejects, server.empty_pages = [], 0
    assert run(server, "errors", "--dataset", "people").stdout == "No rejected records.\n"


def test_json_prints_all_pages_one_object_a_line(server: FakeSluice) -> None:
    server.rejects = [reject(n) for n in range(1, 251)]
    stdout = run(server, "errors", JOB_ID, "--json").stdout
    assert [json.loads(line) for line in stdout.splitlines()] == server.rejects
    assert len(run(server, "errors", JOB_ID, "--json", "--limit", "3").stdout.splitlines()) == 3


def test_control_characters_are_printed_as_escapes(server: FakeSluice) -> None:
    evil = "\x1b]0;pwned\x07\x9b2J\u202e\r\n[bold]x[/]"
    server.rejects = [reject(1, raw=evil, message=evil, field=evil, code=evil)]
    server.jobs = [job(filename=evil, dataset=evil, phase=evil)]
    for arguments in (("errors", JOB_ID), ("jobs",)):
        stdout = run(server, *arguments).stdout
        assert stdout.replace("\n", "").isprintable()
        assert "\\x1b]0;pwned\\x07\\x9b2J\\u202e\\r\\n[bold]x[/]" in stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "--limit", "0"),
        ("errors", JOB_ID, "--limit", "-1"),
        ("errors", "x"),
        ("errors",),
        ("errors", JOB_ID, "--dataset", "people"),
        ("errors", "--dataset", "people", "--summary"),
        ("errors", "--dataset", "people", "--csv", "x.csv"),
        ("errors", "--dataset", "people", "--since", "yesterday"),
        ("errors", JOB_ID, "--code", "blank-row"),
        ("errors", JOB_ID, "--until", "2026-01-31"),
        ("nonsense",),
    ],
)
def test_a_wrong_command_line_exits_with_2(server: FakeSluice, arguments: tuple[str, ...]) -> None:
    assert run(server, *arguments).exit_code == errors.INPUT_ERROR
    assert server.requests == []


@pytest.mark.parametrize("command", [(), *((name,) for name in main.commands)])
def test_help_needs_no_address(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*command, "--help"], env={"SLUICE_URL": None})
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage:")


@given(st.text())
def test_safe_is_idempotent_and_returns_one_printable_line(text: str) -> None:
    once = safe(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in once)
    assert len(once.splitlines()) <= 1
    assert safe(once) == once
    once.encode()


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_shortened_text_has_at_most_the_limit(text: str, limit: int) -> None:
    assert len(shortened(text, limit)) == min(len(text), limit)


def test_durations_have_at_most_two_units() -> None:
    shown = [duration(s) for s in (-1, 0.04, 4.21, 59.6, 125, 7500)]
    assert shown == ["0.0 s", "0.0 s", "4.2 s", "1 min 0 s", "2 min 5 s", "2 h 5 min"]

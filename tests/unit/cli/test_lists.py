"""``sluice jobs`` and ``sluice errors``: pages, tables, JSON lines."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sluice_cli import errors
from sluice_cli.main import main
from sluice_cli.text import duration, safe, shortened
from tests.support.cli_fake import JOB_ID, FakeSluice, job, reject, run


def one_space(line: str) -> str:
    return " ".join(line.split())


def queries(server: FakeSluice) -> list[dict[str, str]]:
    return [{k: v[0] for k, v in parse_qs(urlsplit(r.target).query).items()} for r in server.seen("GET")]


def test_jobs_are_a_table(server: FakeSluice) -> None:
    server.listed = [job(), job("PROCESSING", filename="[red]b[/red].csv", dataset="ds")]
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
    assert queries(server) == [{"status": "FAILED", "dataset": "a b", "limit": "7"}]


def test_a_limit_of_more_than_a_page_takes_pages(server: FakeSluice) -> None:
    server.listed = [job(attempts=n) for n in range(300)]
    found = [json.loads(line) for line in run(server, "jobs", "--limit", "250", "--json").stdout.splitlines()]
    assert [document["attempts"] for document in found] == list(range(250))
    assert [(q["limit"], q.get("cursor")) for q in queries(server)] == [
        ("100", None),
        ("100", "100"),
        ("50", "200"),
    ]


def test_nothing_to_list(server: FakeSluice) -> None:
    server.listed = []
    assert run(server, "jobs").stdout == "No jobs.\n"
    assert run(server, "errors", JOB_ID).stdout == "No rejected records.\n"
    assert run(server, "errors", JOB_ID, "--json").stdout == ""


def test_errors_are_a_table_with_reasons(server: FakeSluice) -> None:
    server.rejects = [
        reject(1041),
        reject(2, record_number=None, field=None, code="json-syntax", message="broken", raw='{"a'),
    ]
    head, *rows = run(server, "errors", JOB_ID).stdout.splitlines()
    assert one_space(head) == "RECORD BYTE FIELD CODE MESSAGE EXCERPT"
    assert one_space(rows[0]) == "1,041 104,100 age type-error is not a number row 1041"
    assert one_space(rows[1]) == '? 200 json-syntax broken {"a'


def test_a_table_stops_at_a_hundred_and_says_so(server: FakeSluice) -> None:
    server.rejects = [reject(n) for n in range(1, 251)]
    lines = run(server, "errors", JOB_ID).stdout.splitlines()
    assert len(lines) == 1 + 100 + 1
    assert lines[-1] == f"There are more: sluice errors {JOB_ID} --limit 0"
    assert "row 250" in run(server, "errors", JOB_ID, "--limit", "0").stdout


def test_json_goes_over_all_pages_an_object_a_line(server: FakeSluice) -> None:
    server.rejects = [reject(n) for n in range(1, 251)]
    stdout = run(server, "errors", JOB_ID, "--json").stdout
    assert [json.loads(line) for line in stdout.splitlines()] == server.rejects
    assert len(run(server, "errors", JOB_ID, "--json", "--limit", "3").stdout.splitlines()) == 3


def test_what_could_drive_a_terminal_is_shown_as_an_escape(server: FakeSluice) -> None:
    evil = "\x1b]0;pwned\x07\x9b2J\u202e\r\n[bold]x[/]"
    server.rejects = [reject(1, raw=evil, message=evil, field=evil, code=evil)]
    server.listed = [job(filename=evil, dataset=evil, phase=evil)]
    for arguments in (("errors", JOB_ID), ("jobs",)):
        stdout = run(server, *arguments).stdout
        assert stdout.replace("\n", "").isprintable()
        assert "\\x1b]0;pwned\\x07\\x9b2J\\u202e\\r\\n[bold]x[/]" in stdout


@pytest.mark.parametrize(
    "arguments",
    [("jobs", "--limit", "0"), ("errors", JOB_ID, "--limit", "-1"), ("errors", "x"), ("nonsense",)],
)
def test_a_wrong_command_line_exits_with_2(server: FakeSluice, arguments: tuple[str, ...]) -> None:
    assert run(server, *arguments).exit_code == errors.WRONG_INPUT


@pytest.mark.parametrize("command", [(), *((name,) for name in main.commands)])
def test_help_needs_no_address(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*command, "--help"], env={"SLUICE_URL": None})
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage:")


@given(st.text())
def test_safe_text_is_one_printable_line_and_stays_as_it_is(text: str) -> None:
    once = safe(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in once)
    assert len(once.splitlines()) <= 1
    assert safe(once) == once
    once.encode()


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_shortened_text_fits(text: str, limit: int) -> None:
    assert len(shortened(text, limit)) == min(len(text), limit)


def test_durations() -> None:
    shown = [duration(s) for s in (-1, 0.04, 4.21, 59.6, 125, 7500)]
    assert shown == ["0.0 s", "0.0 s", "4.2 s", "1 min 0 s", "2 min 5 s", "2 h 5 min"]

"""``sluice cancel``, ``sluice retry`` and ``sluice undo``."""

import json

import pytest

from sluice_cli import errors
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, problem, run

CONFLICT = problem(409, "Conflict", "The job is EXPIRED: that cannot be done.")
ZERO_COUNTS = {"read": 0, "inserted": 0, "duplicates": 0, "rejected": 0}
UNDONE = job("UNDONE", undone_rows=3902, counts=ZERO_COUNTS)


def test_cancel_prints_the_canceled_job(server: FakeSluice) -> None:
    result = run(server, "cancel", JOB_ID)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == [
        "CANCELED: people.csv into dataset default",
        "read 4,021 = 3,902 inserted + 101 duplicates + 18 rejected",
    ]
    (post,) = server.requests_of("POST")
    assert post.target.endswith(f"/jobs/{JOB_ID}/cancel")
    assert post.body == b""


@pytest.mark.parametrize("action", ["cancel", "retry", "undo"])
def test_json_prints_only_the_document_on_stdout(server: FakeSluice, action: str) -> None:
    result = run(server, action, JOB_ID, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == server.actions[action].body
    assert "people.csv" in result.stderr


@pytest.mark.parametrize("action", ["cancel", "retry", "undo"])
def test_a_refused_action_shows_the_servers_message(server: FakeSluice, action: str) -> None:
    server.actions[action] = CONFLICT
    result = run(server, action, JOB_ID)
    assert result.exit_code == errors.INPUT_ERROR
    assert "Error: Conflict: The job is EXPIRED: that cannot be done." in result.stderr
    assert result.stdout == ""
    assert run(server, action, "00000000-0000-4000-8000-000000000000").exit_code == errors.INPUT_ERROR


@pytest.mark.parametrize("action", ["retry", "undo"])
def test_an_action_without_follow_does_not_wait(server: FakeSluice, action: str) -> None:
    result = run(server, action, JOB_ID)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith(f"sluice job {JOB_ID} --follow")
    assert server.requests_of("GET") == []


def test_retry_with_follow_exits_by_the_final_status(server: FakeSluice) -> None:
    server.polls = [Answer(200, job("PROCESSING")), Answer(200, job())]
    result = run(server, "retry", JOB_ID, "--follow")
    assert result.exit_code == 0
    assert "COMPLETED in 4.2 s" in result.stdout
    server.polls = [Answer(200, job("FAILED"))]
    assert run(server, "retry", JOB_ID, "--follow").exit_code == errors.JOB_FAILED


def test_retry_with_options_sends_only_what_is_given(server: FakeSluice) -> None:
    server.polls = [
        Answer(200, job("UNDOING", phase="undoing", undone_rows=1000)),
        Answer(200, job("PENDING")),
        Answer(200, job()),
    ]
    arguments = ["-o", "delimiter=;", "-o", "comment=null", "--format", "csv", "--follow"]
    result = run(server, "retry", JOB_ID, *arguments)
    assert result.exit_code == 0
    assert "COMPLETED in 4.2 s" in result.stdout
    for more, body in (
        (["--format", "json"], {"format": "json"}),
        (["-o", "header=false"], {"options": {"header": False}}),
    ):
        run(server, "retry", JOB_ID, *more)
        assert server.requests_of("POST")[-1].json == body
    (first, *_) = server.requests_of("POST")
    assert first.json == {"options": {"delimiter": ";", "comment": None}, "format": "csv"}
    run(server, "retry", JOB_ID)
    assert server.requests_of("POST")[-1].body == b""


def test_options_that_the_server_refuses_are_named(server: FakeSluice) -> None:
    server.actions["retry"] = problem(400, "Bad Request", "There is no option 'x'.", field="options.x")
    result = run(server, "retry", JOB_ID, "-o", "x=1")
    assert result.exit_code == errors.INPUT_ERROR
    assert "field: options.x" in result.stderr


def test_undo_with_follow_waits_until_the_rows_are_removed(server: FakeSluice) -> None:
    server.polls = [
        Answer(200, job("UNDOING", phase="undoing", undone_rows=1000)),
        Answer(200, UNDONE),
    ]
    result = run(server, "undo", JOB_ID, "--follow")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "UNDOING: 1,000 rows removed",
        "UNDONE: people.csv from dataset default",
        "3,902 rows removed",
    ]


def test_undo_that_does_not_end_as_undone_exits_with_1(server: FakeSluice) -> None:
    server.polls = [Answer(200, job("FAILED"))]
    assert run(server, "undo", JOB_ID, "--follow").exit_code == errors.JOB_FAILED


def test_an_undone_job_shows_how_many_rows_were_removed(server: FakeSluice) -> None:
    server.polls = [Answer(200, UNDONE)]
    result = run(server, "job", JOB_ID)
    assert result.exit_code == errors.JOB_FAILED
    assert result.stdout.splitlines()[-1] == "3,902 rows removed"


def test_a_job_being_undone_has_not_ended(server: FakeSluice) -> None:
    server.polls = [Answer(200, job("UNDOING", phase="undoing"))]
    result = run(server, "job", JOB_ID)
    assert result.exit_code == errors.NOT_FINISHED
    assert "phase     undoing" in result.stdout
    assert "progress  0 rows removed" in result.stdout

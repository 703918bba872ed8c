"""Following a job: how often, how patiently, and until when."""

import json
from collections.abc import Callable

import pytest

from sluice_cli import errors
from sluice_cli.documents import Job, NotSluice
from sluice_cli.follow import Patience, follow
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, problem, run


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, seconds: float = 120.0) -> Patience:
        return Patience(seconds, lambda: self.now, self.sleep)


class Log:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.statuses: list[str] = []
        self.notes: list[str] = []

    def seen(self, job: Job) -> None:
        self.statuses.append(job.status)

    def note(self, text: str) -> None:
        self.notes.append(text)


def script(*answers: Job | errors.CliError) -> Callable[[], Job]:
    """Gives the answers in turn, then the last one for ever."""
    left = list(answers)

    def look() -> Job:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, errors.CliError):
            raise answer
        return answer

    return look


def seen(status: str, retry_after: float | None = 2.0) -> Job:
    return Job.read(job(status), retry_after)


def test_waits_as_long_as_the_server_asks() -> None:
    clock, log = Clock(), Log()
    look = script(seen("PENDING", 2), seen("PROCESSING", 7.5), seen("PROCESSING", None), seen("COMPLETED"))
    assert follow(look, log, clock.patience()).status == "COMPLETED"
    assert clock.slept == [2, 7.5, 1]
    assert log.statuses == ["PENDING", "PROCESSING", "PROCESSING", "COMPLETED"]


def test_waits_at_least_a_little_and_never_for_ever() -> None:
    clock = Clock()
    follow(script(seen("PENDING", 0), seen("PENDING", 1e9), seen("FAILED")), Log(), clock.patience())
    assert clock.slept == [0.1, 300]


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELED", "EXPIRED", "UNDONE"])
def test_ends_with_every_last_status(status: str) -> None:
    assert follow(script(seen(status)), Log(), Clock().patience()).status == status


def test_an_unknown_status_is_the_last_one_if_the_server_names_no_time_to_wait() -> None:
    look = script(seen("MERGING"), seen("ARCHIVED", None))
    assert follow(look, Log(), Clock().patience()).status == "ARCHIVED"


def test_bears_with_an_api_that_is_away_for_a_while() -> None:
    clock, log = Clock(), Log()
    away = errors.Unreachable("No answer")
    busy = errors.ApiError(status=503, title="Service Unavailable", retry_after=4)
    follow(script(seen("PROCESSING"), away, away, busy, seen("COMPLETED")), log, clock.patience())
    assert clock.slept == [2, 0.5, 1, 4]
    assert log.notes == ["No answer. Trying again for 2 min 0 s.", "The API answers again."]


def test_gives_up_when_patience_runs_out() -> None:
    clock = Clock()
    with pytest.raises(errors.Unreachable):
        follow(script(errors.Unreachable("No answer")), Log(), clock.patience(30))
    assert 30 <= clock.now < 45
    assert clock.slept[:6] == [0.5, 1, 2, 4, 8, 10]


def test_patience_begins_anew_after_an_answer() -> None:
    clock = Clock()
    away = errors.Unreachable("No answer")
    look = script(*[away] * 6, seen("PROCESSING"), *[away] * 6, seen("COMPLETED"))
    assert follow(look, Log(), clock.patience(30)).status == "COMPLETED"


def test_a_plain_no_is_not_asked_again() -> None:
    clock, log = Clock(), Log()
    with pytest.raises(errors.ApiError):
        follow(script(errors.ApiError(status=404, title="Not Found")), log, clock.patience())
    assert (clock.slept, log.notes) == ([], [])


def test_a_job_that_nobody_takes_is_wondered_at_once() -> None:
    log = Log()
    follow(script(*[seen("PENDING", 10)] * 9, seen("COMPLETED")), log, Clock().patience())
    assert log.notes == ["PENDING for 30 s now. Is a worker running?"]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        None,
        "job",
        {},
        {"id": 5, "status": "PENDING"},
        {"id": "../x", "status": "PENDING"},
        {"id": JOB_ID},
    ],
)
def test_what_is_no_job_is_refused(answer: object) -> None:
    with pytest.raises(NotSluice):
        Job.read(answer)


def test_a_job_with_nothing_known_yet_can_be_shown(server: FakeSluice) -> None:
    bare = {"id": JOB_ID, "status": "PENDING", "progress": None, "counts": None, "error": None}
    server.polls = [Answer(200, bare)]
    result = run(server, "job", JOB_ID)
    assert result.exit_code == errors.NOT_FINISHED
    assert f"job       {JOB_ID}" in result.stdout


def test_job_shows_how_far_it_is_and_exits_with_4(server: FakeSluice) -> None:
    server.polls = [Answer(200, job("PROCESSING"))]
    result = run(server, "job", JOB_ID)
    assert result.exit_code == errors.NOT_FINISHED
    assert "phase     loading" in result.stdout
    assert "progress  43%, 9.2 MB of 21.5 MB, 4,021 rows, 4,000 rows/s, 3.1 s left" in result.stdout
    assert "read 4,021 = 3,902 inserted + 101 duplicates + 18 rejected" in result.stdout


def test_job_follows_when_told_to(server: FakeSluice) -> None:
    server.polls = [Answer(200, job("PROCESSING")), Answer(200, job("PROCESSING")), None, Answer(200, job())]
    result = run(server, "job", JOB_ID, "--follow", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["status"] == "COMPLETED"
    assert "The API answers again." in result.stderr


def test_the_document_is_printed_as_it_came(server: FakeSluice) -> None:
    strange = job(later={"added": [1, None, "é\u202e\x7f\x9b"]})
    server.polls = [Answer(200, strange)]
    stdout = run(server, "job", JOB_ID, "--json").stdout
    assert json.loads(stdout) == strange
    assert stdout.isascii()
    assert stdout.rstrip("\n").isprintable()


def test_a_job_that_does_not_exist(server: FakeSluice) -> None:
    result = run(server, "job", "00000000-0000-4000-8000-000000000000")
    assert result.exit_code == errors.WRONG_INPUT
    assert "Not Found: There is no such job." in result.stderr
    assert run(server, "job", "../jobs").exit_code == errors.WRONG_INPUT


def test_an_api_in_trouble(server: FakeSluice) -> None:
    server.polls = [problem(503, "Service Unavailable", "The database does not answer.")]
    result = run(server, "job", JOB_ID)
    assert result.exit_code == errors.TROUBLE
    assert "The database does not answer." in result.stderr

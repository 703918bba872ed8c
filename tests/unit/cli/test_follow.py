"""Following a job: polling, retry with backoff, and the end."""

import json
from collections.abc import Callable

import pytest

from sluice_cli import errors
from sluice_cli.documents.jobs import Job
from sluice_cli.errors import UnexpectedResponseError
from sluice_cli.follow import Timing, follow
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, problem, run


class Clock:
    """A clock that only ``sleep`` advances."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def timing(self, outage_limit: float = 120.0) -> Timing:
        return Timing(outage_limit, lambda: self.now, self.sleep)


class RecordingWatcher:
    """A JobWatcher that remembers its calls."""

    def __init__(self) -> None:
        self.statuses: list[str] = []
        self.notes: list[str] = []

    def update(self, job: Job) -> None:
        self.statuses.append(job.status)

    def note(self, text: str) -> None:
        self.notes.append(text)


def script(*answers: Job | errors.CliError) -> Callable[[], Job]:
    """Return a function that gives the answers in turn, then the last one for ever."""
    left = list(answers)

    def get_job() -> Job:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, errors.CliError):
            raise answer
        return answer

    return get_job


def answer(status: str, retry_after: float | None = 2.0) -> Job:
    return Job.read(job(status), retry_after)


def test_polling_pauses_as_long_as_the_server_asks() -> None:
    clock, watcher = Clock(), RecordingWatcher()
    get_job = script(
        answer("PENDING", 2), answer("PROCESSING", 7.5), answer("PROCESSING", None), answer("COMPLETED")
    )
    assert follow(get_job, watcher, clock.timing()).status == "COMPLETED"
    assert clock.slept == [2, 7.5, 1]
    assert watcher.statuses == ["PENDING", "PROCESSING", "PROCESSING", "COMPLETED"]


def test_pauses_between_polls_are_bounded() -> None:
    clock = Clock()
    follow(
        script(answer("PENDING", 0), answer("PENDING", 1e9), answer("FAILED")),
        RecordingWatcher(),
        clock.timing(),
    )
    assert clock.slept == [0.1, 300]


@pytest.mark.parametrize("status", ["PREVIEWED", "COMPLETED", "FAILED", "CANCELED", "EXPIRED", "UNDONE"])
def test_following_ends_with_every_terminal_status(status: str) -> None:
    assert follow(script(answer(status)), RecordingWatcher(), Clock().timing()).status == status


def test_an_unknown_status_is_terminal_if_the_server_names_no_pause() -> None:
    get_job = script(answer("MERGING"), answer("ARCHIVED", None))
    assert follow(get_job, RecordingWatcher(), Clock().timing()).status == "ARCHIVED"


def test_transient_errors_are_retried_with_backoff() -> None:
    clock, watcher = Clock(), RecordingWatcher()
    unreachable = errors.UnreachableError("No answer")
    busy = errors.ApiError(status=503, title="Service Unavailable", retry_after=4)
    follow(
        script(answer("PROCESSING"), unreachable, unreachable, busy, answer("COMPLETED")),
        watcher,
        clock.timing(),
    )
    assert clock.slept == [2, 0.5, 1, 4]
    assert watcher.notes == ["No answer. Trying again for 2 min 0 s.", "The API answers again."]


def test_retries_end_at_the_outage_limit() -> None:
    clock = Clock()
    with pytest.raises(errors.UnreachableError):
        follow(script(errors.UnreachableError("No answer")), RecordingWatcher(), clock.timing(30))
    assert 30 <= clock.now < 45
    assert clock.slept[:6] == [0.5, 1, 2, 4, 8, 10]


def test_an_answer_restarts_the_outage_limit() -> None:
    clock = Clock()
    unreachable = errors.UnreachableError("No answer")
    get_job = script(*[unreachable] * 6, answer("PROCESSING"), *[unreachable] * 6, answer("COMPLETED"))
    assert follow(get_job, RecordingWatcher(), clock.timing(30)).status == "COMPLETED"


def test_a_refusal_is_not_retried() -> None:
    clock, watcher = Clock(), RecordingWatcher()
    with pytest.raises(errors.ApiError):
        follow(script(errors.ApiError(status=404, title="Not Found")), watcher, clock.timing())
    assert (clock.slept, watcher.notes) == ([], [])


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
def test_a_document_that_is_not_a_job_is_refused(answer: object) -> None:
    with pytest.raises(UnexpectedResponseError):
        Job.read(answer)


def test_a_job_without_optional_members_can_be_shown(server: FakeSluice) -> None:
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


def test_job_with_follow_waits_for_the_end(server: FakeSluice) -> None:
    server.polls = [Answer(200, job("PROCESSING")), Answer(200, job("PROCESSING")), None, Answer(200, job())]
    result = run(server, "job", JOB_ID, "--follow", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["status"] == "COMPLETED"
    assert "The API answers again." in result.stderr


def test_json_prints_the_document_as_it_came(server: FakeSluice) -> None:
    document = job(later={"added": [1, None, "é\u202e\x7f\x9b"]})
    server.polls = [Answer(200, document)]
    stdout = run(server, "job", JOB_ID, "--json").stdout
    assert json.loads(stdout) == document
    assert stdout.isascii()
    assert stdout.rstrip("\n").isprintable()


def test_a_job_that_does_not_exist_is_an_input_error(server: FakeSluice) -> None:
    result = run(server, "job", "00000000-0000-4000-8000-000000000000")
    assert result.exit_code == errors.INPUT_ERROR
    assert "Not Found: There is no such job." in result.stderr
    assert run(server, "job", "../jobs").exit_code == errors.INPUT_ERROR


def test_an_unavailable_api_is_a_service_error(server: FakeSluice) -> None:
    server.polls = [problem(503, "Service Unavailable", "The database does not answer.")]
    result = run(server, "job", JOB_ID)
    assert result.exit_code == errors.SERVICE_ERROR
    assert "The database does not answer." in result.stderr

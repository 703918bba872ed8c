"""A job that waits, and workers: what the client prints of them."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from sluice_cli import errors
from sluice_cli.documents.jobs import Job
from sluice_cli.follow import JobWatcher
from sluice_cli.progress import BarReporter, LineReporter
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, run, waiting

NO_ROOM = "waiting for the database since 2025-11-23 14:07:12Z: The database has no room left on its disk."


class Clock:
    """A clock that only a test advances."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def bars(out: io.StringIO) -> Iterator[JobWatcher]:
    with BarReporter(Console(file=out, force_terminal=True, width=200)).job() as watcher:
        yield watcher


def lines_of(*states: tuple[float, dict[str, Any]]) -> list[str]:
    """Return the lines that are printed of these documents, at these seconds."""
    out, clock = io.StringIO(), Clock()
    with LineReporter(Console(file=out, width=1000), clock).job() as watcher:
        for clock.now, document in states:
            watcher.update(Job.read(document))
    return out.getvalue().splitlines()


def test_a_wait_is_printed_once_and_progress_again_after_it() -> None:
    waits = job("PROCESSING", waiting_for=waiting())
    goes_on = job("PROCESSING", waiting_for=None)
    lines = lines_of((0, goes_on), (1, waits), (20, waits), (90, waits), (91, goes_on), (92, goes_on))
    assert lines == [
        "PROCESSING: 43%, 9.2 MB of 21.5 MB, 4,021 rows, 4,000 rows/s, 3.1 s left, 18 rejected",
        f"PROCESSING: {NO_ROOM}",
        "PROCESSING: 43%, 9.2 MB of 21.5 MB, 4,021 rows, 4,000 rows/s, 3.1 s left, 18 rejected",
    ]


def test_another_wait_is_printed_too() -> None:
    lines = lines_of(
        (0, job("PROCESSING", waiting_for=waiting("lease", message="No sign of life."))),
        (1, job("PROCESSING", waiting_for=waiting("worker", message="Lost."))),
        (2, job("PROCESSING", waiting_for=waiting("moon\x1b", since=None, message=None))),
    )
    assert lines == [
        "PROCESSING: waiting for a lease to expire since 2025-11-23 14:07:12Z: No sign of life.",
        "PROCESSING: waiting for a worker since 2025-11-23 14:07:12Z: Lost.",
        "PROCESSING: waiting for moon\\x1b",
    ]


def test_a_bar_gives_way_to_what_the_job_waits_for() -> None:
    out = io.StringIO()
    with bars(out) as watcher:
        watcher.update(Job.read(job("PROCESSING", waiting_for=waiting())))
    assert NO_ROOM in out.getvalue()
    assert "43%" not in out.getvalue()
    assert "left" not in out.getvalue().replace("no room left", "")


def test_job_shows_what_it_waits_for(server: FakeSluice) -> None:
    server.polls = [Answer(200, job("PROCESSING", waiting_for=waiting()))]
    result = run(server, "job", JOB_ID)
    assert result.exit_code == errors.NOT_FINISHED
    assert f"waiting   {NO_ROOM}" in result.stdout


@pytest.mark.parametrize(
    ("queued_at", "shown"),
    [
        (None, "in 4.2 s:"),  # the service is of an earlier version
        ("2025-11-23T14:06:10.500000Z", "in 4.7 s:"),
        ("2025-11-23T14:05:10Z", "in 1 min 5 s, 1 min 1 s of it until a worker took it:"),
    ],
)
def test_the_time_that_a_job_took_begins_when_it_was_queued(
    server: FakeSluice, queued_at: str | None, shown: str
) -> None:
    server.polls = [Answer(200, job(queued_at=queued_at))]
    assert f"COMPLETED {shown} people.csv" in run(server, "job", JOB_ID).stdout


def worker(**members: object) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": "host-1-ab",
        "kind": "process",
        "version": "0.1.0",
        "state": "working",
        "started_at": "2025-11-23T14:00:00Z",
        "seen_at": "2025-11-23T14:06:12Z",
        "slots": 2,
        "jobs": [{"job_id": JOB_ID, "since": "2025-11-23T14:06:12Z", "stuck": False, "waiting_for": None}],
    }
    return document | members


def test_workers_are_printed_as_a_table_with_what_is_wrong_below(server: FakeSluice) -> None:
    (busy,) = worker()["jobs"]
    server.workers = [
        worker(),
        worker(name="evil\x1b[2J", state="idle", jobs=[]),
        worker(name="stuck", state="stuck", jobs=[busy | {"stuck": True}]),
        worker(name="waits", jobs=[busy | {"waiting_for": waiting()}]),
    ]
    head, *rows = run(server, "workers").stdout.splitlines()
    assert head.split() == ["WORKER", "STATE", "KIND", "VERSION", "SEEN", "BUSY", "JOBS"]
    assert [row.split()[:4] for row in rows[:2]] == [
        ["host-1-ab", "working", "process", "0.1.0"],
        ["evil\\x1b[2J", "idle", "process", "0.1.0"],
    ]
    assert rows[0].split()[-4:] == ["1", "of", "2", JOB_ID]
    assert rows[4:] == [
        f"job {JOB_ID} is stuck at worker stuck",
        f"job {JOB_ID} waits: The database has no room left on its disk.",
    ]


def test_workers_are_printed_as_json_one_a_line(server: FakeSluice) -> None:
    server.workers = [worker(name=f"w{number}") for number in range(1100)]
    lines = run(server, "workers", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == server.workers
    server.workers = []
    assert run(server, "workers").stdout == "No workers.\n"


@pytest.mark.parametrize(
    "answer", [[], {"name": "w"}, {"state": "idle"}, worker(jobs=[{}]), worker(jobs=[7])]
)
def test_a_document_that_is_not_a_worker_is_refused(server: FakeSluice, answer: Any) -> None:
    server.workers = [answer]
    assert run(server, "workers").exit_code == errors.SERVICE_ERROR

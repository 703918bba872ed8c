"""What a job waits for: derived from its row, its leases, and the signs of life of its workers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from chalicelib.core.jobs import Job
from chalicelib.core.model import Status
from chalicelib.core.workers import Hold

PATIENCE = 5.0  # seconds; a shorter wait is not told


class Obstacle(StrEnum):
    """What a job may wait for."""

    UPLOAD = "upload"
    WORKER = "worker"
    LEASE = "lease"
    SLOT = "slot"
    DATABASE = "database"
    STORAGE = "storage"
    QUEUE = "queue"


_MESSAGES = {
    Obstacle.UPLOAD: "The file has not arrived.",
    Obstacle.WORKER: "No worker has taken the job yet.",
    Obstacle.LEASE: (
        "The worker that has the job gives no sign of life. When its lease expires, another worker continues."
    ),
    Obstacle.SLOT: "The worker that has the job makes no progress with it.",
    Obstacle.DATABASE: "The database does not accept changes.",
}
_LOST = "The worker that had the job returned it or was lost. No other worker has taken the job yet."


@dataclass(frozen=True)
class Waiting:
    """A wait of a job. ``until`` is when it ends at the latest, None if that is not known."""

    what: Obstacle
    since: datetime
    message: str  # a sentence for people
    until: datetime | None = None


def waiting_for(job: Job, now: datetime) -> Waiting | None:
    """Return what the job has been waiting for since :data:`PATIENCE` seconds before ``now``, or longer.

    Return None if it does not wait, has ended, or waits for its client to act.
    """
    waiting = None if job.status.is_terminal else _waiting(job)
    if waiting is None or (now - waiting.since).total_seconds() < PATIENCE:
        return None
    return waiting


def _waiting(job: Job) -> Waiting | None:
    changed_at = job.times.updated_at
    if job.status is Status.PENDING and job.upload.arrived_at is None:
        return _for(Obstacle.UPLOAD, changed_at, until=job.upload.expires_at)
    if job.holders is not None and job.holders.is_read_only:
        signs = [hold.worker.seen_at for hold in job.holders.holds if hold.worker]
        return _for(Obstacle.DATABASE, max([changed_at, *signs]))
    if job.status is Status.PENDING:
        return _for(Obstacle.WORKER, changed_at)
    return None if job.holders is None else _waiting_of(job.holders.holds, changed_at)


def _waiting_of(holds: Sequence[Hold], changed_at: datetime) -> Waiting | None:
    """Return what a job with these holders waits for; ``changed_at`` is when it last changed."""
    held = [hold for hold in holds if hold.left > 0]
    if not held:
        ends = map(_end_of, holds)
        return replace(_for(Obstacle.WORKER, max([changed_at, *ends])), message=_LOST)
    waits = [_wait_of(hold) for hold in held]
    hindered = [wait for wait in waits if wait is not None]
    if len(hindered) < len(waits):  # a worker goes on
        return None
    last = max(hindered, key=lambda wait: wait.since)  # until then a worker went on
    return replace(last, since=max(last.since, changed_at))


def _wait_of(hold: Hold) -> Waiting | None:
    """Return what the holder of a lease waits for; None if it goes on, as far as is known."""
    worker, work = hold.worker, hold.work
    if worker is None:
        return None
    if worker.is_silent:
        return _for(Obstacle.LEASE, worker.seen_at, until=hold.until)
    if work is None:
        return None
    if work.wait is not None:
        return Waiting(Obstacle(work.wait.dependency), work.wait.since, work.wait.message)
    return _for(Obstacle.SLOT, work.progress_at) if worker.is_stuck_at(work) else None


def _end_of(hold: Hold) -> datetime:
    """Return when the holder of a lease that has run out was last known to work."""
    return hold.worker.seen_at if hold.worker and hold.worker.is_silent else hold.until


def _for(what: Obstacle, since: datetime, until: datetime | None = None) -> Waiting:
    return Waiting(what, since, _MESSAGES[what], until)

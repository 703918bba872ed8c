"""Builds workers as they are read, and those who hold a job."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from chalicelib.core.dependencies import Dependency
from chalicelib.core.workers import Hold, Holders, Wait, Worker, WorkerKind, WorkOnJob
from tests.support.jobs import NOW

INTERVAL = 5.0  # seconds between signs of life


def moment(seconds: float) -> datetime:
    """Return the moment so many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def work(
    *, idle: float = 0, seen: float = 0, job_id: UUID | None = None, wait: Wait | None = None
) -> WorkOnJob:
    """Return work at a job that made progress ``idle`` seconds before the worker was seen."""
    return WorkOnJob(job_id or uuid4(), "worker-1/ab", moment(seen - 300), moment(seen - idle), wait)


def wait(since: float, dependency: Dependency = Dependency.DATABASE) -> Wait:
    return Wait(dependency, "The database has no room left on its disk.", moment(since))


def worker(*, seen: float = 0, unseen: float = 0, jobs: Sequence[WorkOnJob] = (), **changes: Any) -> Worker:
    """Return a worker that was seen at ``seen``, which is ``unseen`` seconds ago."""
    members: dict[str, Any] = {
        "number": 1,
        "name": "worker-1",
        "kind": WorkerKind.PROCESS,
        "version": "0.1.0",
        "started_at": moment(-1000),
        "seen_at": moment(seen),
        "unseen_seconds": unseen,
        "interval": INTERVAL,
        "slots": 1,
        "jobs": tuple(jobs),
    }
    return Worker(**members | changes)


def hold(holder: Worker | None, *, left: float = 20, until: float = 30) -> Hold:
    """Return a lease of the worker, on the first of its jobs."""
    return Hold(moment(until), left, holder, holder.jobs[0] if holder and holder.jobs else None)


def holders(*holds: Hold, is_read_only: bool = False) -> Holders:
    return Holders(holds, is_read_only)

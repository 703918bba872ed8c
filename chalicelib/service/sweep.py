"""What no message tells of: objects nobody announced, uploads that never came, jobs nobody works on any more.

Any number of sweeps may run at once, at any time: each job is given to one of them at a time, and a message
too many changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import Job, Source
from chalicelib.core.ports import Unseen, Upkeep, UploadBucket
from chalicelib.service.intake import Intake, notice, take_dropped
from chalicelib.service.object_keys import DROP, dropped, job_for
from chalicelib.telemetry import Metric, logger, measured

_AT_ONCE = 100  # jobs a sweep takes of each kind; the next one takes more
_PAGE = 1000  # objects looked up at once


@dataclass(frozen=True)
class Sweeper:
    """What a sweep works with."""

    intake: Intake
    upkeep: Upkeep
    uploads: UploadBucket
    seconds: float  # how long something must have been silent
    retention_days: int


def sweep(sweeper: Sweeper) -> dict[str, int]:
    """One round; how much was done of what. What one chore fails at does not keep the others from theirs.

    Raises at the end what the first chore that failed has raised: RetryLater if something was not available.
    """
    chores = {
        "announced": _announce_silent,
        "found": _look_for_objects,
        "adopted": _adopt_dropped,
        "purged": _purge,
    }
    done: dict[str, int] = {}
    trouble: list[Exception] = []
    for name, chore in chores.items():
        try:
            done[name] = chore(sweeper)
        except Exception as error:  # noqa: BLE001 - raised again below
            logger.exception("sweep interrupted", extra={"chore": name})
            trouble.append(error)
    measured(
        {Metric.JOBS_ANNOUNCED_AGAIN: done.get("announced", 0), Metric.OBJECTS_FOUND: done.get("found", 0)}
    )
    if any(done.values()):
        logger.info("swept", extra=done)
    if trouble:
        raise trouble[0]
    return done


def _announce_silent(sweeper: Sweeper) -> int:
    """Jobs that nobody works on: their message was lost, or the worker that held it died for good."""
    silent = sweeper.upkeep.take_silent(seconds=sweeper.seconds, limit=_AT_ONCE)
    for job_id in silent:
        sweeper.intake.sender.send(job_id)
        logger.info("announced again", extra={"job_id": str(job_id)})
    return len(silent)


def _look_for_objects(sweeper: Sweeper) -> int:
    """Uploads of which no event told: those that are there are queued, those that never will be expire."""
    unseen = sweeper.upkeep.take_unseen(seconds=sweeper.seconds, limit=_AT_ONCE)
    return sum(_look_for(it, sweeper) for it in unseen)


def _look_for(unseen: Unseen, sweeper: Sweeper) -> bool:
    job = sweeper.intake.jobs.get(unseen.job_id)
    if job is None:
        return False
    try:
        notice(job, sweeper.intake)
    except JobFailed as missing:
        if missing.code != "source-missing":
            logger.warning("upload cannot be seen", extra={"job_id": str(job.id), "reason": missing.message})
        elif unseen.overdue:
            return _expire(job, sweeper)
        return False
    return True


def _expire(job: Job, sweeper: Sweeper) -> bool:
    if job.upload.upload_id is not None:  # first: should it fail, the next sweep tries again
        sweeper.uploads.abort(job.key, job.upload.upload_id)
    if not sweeper.upkeep.expire(job.id):
        return False
    logger.info("upload never came: expired", extra={"job_id": str(job.id)})
    sweeper.uploads.remove(job.key)  # it may have come just now
    return True


def _adopt_dropped(sweeper: Sweeper) -> int:
    """Files in `drop/` of which no event told. One sweep at a time lists them."""
    if not sweeper.upkeep.take_turn("drop", seconds=sweeper.seconds):
        return 0
    old_enough = datetime.now(UTC) - timedelta(seconds=sweeper.seconds)  # the event has had its time
    objects = sweeper.uploads.objects(DROP)
    old = (it for it in objects if it.modified_at is not None and it.modified_at < old_enough)
    return sum(_adopt_page(page, sweeper) for page in _pages(old))


def _adopt_page(page: list[Source], sweeper: Sweeper) -> int:
    wanted = {job_for(it): it for it in page if dropped(it.key) is not None}
    unknown = sweeper.upkeep.unknown(list(wanted))
    return sum(take_dropped(wanted[job_id], sweeper.intake) for job_id in unknown)


def _purge(sweeper: Sweeper) -> int:
    """Rejects and ledgers that have been kept for long enough."""
    return sweeper.upkeep.purge(days=sweeper.retention_days, limit=_AT_ONCE)


def _pages(objects: Iterator[Source]) -> Iterator[list[Source]]:
    while page := list(islice(objects, _PAGE)):
        yield page

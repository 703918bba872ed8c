"""Reconcile: lost events and messages, uploads that never arrived, jobs without a worker.

Any number of sweeps may run at once, at any time: each job is given to one of them at a time, and a duplicate
message changes nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Protocol
from uuid import UUID

from chalicelib.core.errors import JobFailed
from chalicelib.core.jobs import Job
from chalicelib.core.model import Source
from chalicelib.core.sweeping import UnseenJob
from chalicelib.service.intake import Intake
from chalicelib.service.object_keys import DROP, adopted_job_id, is_dropped, rejects_prefixes
from chalicelib.service.queue import JobSender
from chalicelib.service.record_erasure import RecordEraser
from chalicelib.service.register import JobRegister
from chalicelib.service.tenant_removal import TenantRemover
from chalicelib.telemetry import Metric, emit_metrics, logger

_AT_ONCE = 100  # jobs that a sweep takes of each kind; the next sweep takes more
_WORKERS_KEPT = 24 * 3600  # seconds, after their last sign of life
_PREVIEWS_WAIT = 7 * 24 * 3600  # seconds, for their client
_PAGE = 1000  # objects looked up at once
_EVENTS = 10_000  # of the audit log, removed at once


class Upkeep(Protocol):
    """Find the jobs that a sweep should look at. Every method raises RetryLater.

    A job that one sweep takes is not given to another at the same time, nor for a while afterwards.
    """

    def take_turn(self, task: str, *, seconds: float) -> bool:
        """Take a turn at a scheduled task, and return True, unless one was taken in the last ``seconds``."""

    def unknown_ids(self, job_ids: Sequence[UUID]) -> set[UUID]:
        """Return the ids that no job has."""

    def take_unseen(self, *, seconds: float, limit: int) -> Sequence[UnseenJob]:
        """Return PENDING jobs older than ``seconds`` whose objects have not been seen: no event came."""

    def expire(self, job_id: UUID) -> bool:
        """Mark the job EXPIRED and return True, if it still waits for its object."""

    def expire_previewed(self, *, seconds: float, limit: int) -> Sequence[UUID]:
        """Mark jobs EXPIRED that have been PREVIEWED for ``seconds``, and return their ids."""

    def take_silent(self, *, seconds: float, limit: int) -> Sequence[UUID]:
        """Return unfinished jobs without a lease that have not moved for ``seconds``.

        So also jobs whose rejects files were asked for, and that no worker makes.
        """

    def purge(self, *, days: int, limit: int) -> int:
        """Remove rejects and ledgers, but not their sums, of jobs that ended ``days`` ago; count the jobs."""

    def purged_rejects_files(self, *, limit: int) -> Sequence[tuple[UUID, str]]:
        """Return purged jobs that may still have objects of rejects files, with their tenants' names."""

    def forget_workers(self, *, seconds: float) -> int:
        """Remove workers that have given no sign of life for ``seconds``; count them."""

    def forget_upload_tokens(self) -> int:
        """Remove what was counted for upload tokens that have expired; count them."""

    def forget_audit_events(self, *, limit: int) -> int:
        """Remove events of the audit log that the operator keeps no longer; count them."""

    def forget_rejects_file(self, job_id: UUID) -> None:
        """Note that the job has no object of a rejects file any more."""


class SweptBucket(Protocol):
    """The bucket, as a sweep uses it. Every method raises RetryLater."""

    def abort(self, key: str, upload_id: str) -> None:
        """Remove the parts of a multipart upload."""

    def remove(self, key: str) -> None:
        """Remove the object, if it is there."""

    def objects(self, prefix: str) -> Iterator[Source]:
        """Return all objects whose key begins with the prefix."""


@dataclass(frozen=True)
class Sweeper:
    """Run sweeps."""

    jobs: JobRegister
    sender: JobSender
    intake: Intake
    upkeep: Upkeep
    bucket: SweptBucket
    seconds: float  # how long something must have been silent
    retention_days: int
    tenant_remover: TenantRemover
    record_eraser: RecordEraser

    def sweep(self) -> dict[str, int]:
        """Do one round of all tasks; return how many jobs (workers, events, erasures) each has handled.

        A task that fails does not stop the others. Raises the error of the first failed task:
        RetryLater if a dependency was not available.
        """
        tasks: dict[str, Callable[[], int]] = {
            "requeued": self._requeue_silent,
            "found": self._find_objects,
            "adopted": self._adopt_dropped,
            "expired": self._expire_previewed,
            "purged": self._purge,
            "removed": self._remove_tenants,
            "erased": self._erase_records,
            "forgotten": self._forget,
        }
        counts: dict[str, int] = {}
        errors: list[Exception] = []
        for name, task in tasks.items():
            try:
                counts[name] = task()
            except Exception as error:  # noqa: BLE001 - raised again below
                logger.exception("sweep interrupted", extra={"task": name})
                errors.append(error)
        emit_metrics(
            {
                Metric.JOBS_REQUEUED: counts.get("requeued", 0),
                Metric.OBJECTS_FOUND: counts.get("found", 0),
            }
        )
        if any(counts.values()):
            logger.info("swept", extra=counts)
        if errors:
            raise errors[0]
        return counts

    def _forget(self) -> int:
        forgotten = self.upkeep.forget_workers(seconds=_WORKERS_KEPT) + self.upkeep.forget_upload_tokens()
        return forgotten + self.upkeep.forget_audit_events(limit=_EVENTS)

    def _requeue_silent(self) -> int:
        """Requeue jobs whose message was lost, or whose worker died."""
        silent_jobs = self.upkeep.take_silent(seconds=self.seconds, limit=_AT_ONCE)
        for job_id in silent_jobs:
            self.sender.send(job_id)
            logger.info("silent job requeued", extra={"job_id": str(job_id)})
        return len(silent_jobs)

    def _find_objects(self) -> int:
        """Enqueue uploads whose event was lost; expire those that can no longer arrive."""
        unseen_jobs = self.upkeep.take_unseen(seconds=self.seconds, limit=_AT_ONCE)
        return sum(self._find_object(job) for job in unseen_jobs)

    def _find_object(self, unseen: UnseenJob) -> bool:
        job = self.jobs.get(unseen.job_id)
        if job is None:
            return False
        try:
            self.intake.find_object(job)
        except JobFailed as failure:
            if failure.code != "source-missing":
                details = {"job_id": str(job.id), "reason": failure.message}
                logger.warning("upload cannot be read", extra=details)
            elif unseen.overdue:
                return self._expire(job)
            return False
        return True

    def _expire(self, job: Job) -> bool:
        if job.upload.upload_id is not None:  # first: if it fails, the next sweep tries again
            self.bucket.abort(job.upload.key, job.upload.upload_id)
        if not self.upkeep.expire(job.id):
            return False
        logger.info("upload never arrived: expired", extra={"job_id": str(job.id)})
        self.bucket.remove(job.upload.key)  # it may have arrived a moment ago
        return True

    def _adopt_dropped(self) -> int:
        """Adopt dropped files whose event was lost. One sweep at a time lists them."""
        if not self.upkeep.take_turn("drop", seconds=self.seconds):
            return 0
        newest = datetime.now(UTC) - timedelta(seconds=self.seconds)  # events of newer files may still arrive
        objects = self.bucket.objects(DROP)
        old_files = (
            source for source in objects if source.modified_at is not None and source.modified_at < newest
        )
        return sum(self._adopt_page(page) for page in _pages(old_files))

    def _adopt_page(self, page: list[Source]) -> int:
        files = {adopted_job_id(source): source for source in page if is_dropped(source.key)}
        unknown_ids = self.upkeep.unknown_ids(list(files))
        return self.intake.adopt_dropped([files[job_id] for job_id in unknown_ids])

    def _expire_previewed(self) -> int:
        """Expire jobs that no client has loaded after their previews."""
        expired = self.upkeep.expire_previewed(seconds=_PREVIEWS_WAIT, limit=_AT_ONCE)
        for job_id in expired:
            logger.info("preview not followed by a load: expired", extra={"job_id": str(job_id)})
        return len(expired)

    def _remove_tenants(self) -> int:
        """Remove tenants. One sweep at a time does it."""
        return self.tenant_remover.remove() if self.upkeep.take_turn("removal", seconds=self.seconds) else 0

    def _erase_records(self) -> int:
        """Erase persons' records. One sweep at a time does it."""
        return self.record_eraser.erase() if self.upkeep.take_turn("erasure", seconds=self.seconds) else 0

    def _purge(self) -> int:
        """Remove rejects and ledgers whose retention has ended, then the rejects files made of them."""
        count = self.upkeep.purge(days=self.retention_days, limit=_AT_ONCE)
        for job_id, tenant in self.upkeep.purged_rejects_files(limit=_AT_ONCE):
            for prefix in rejects_prefixes(tenant, job_id):
                for made in self.bucket.objects(prefix):
                    self.bucket.remove(made.key)
            self.upkeep.forget_rejects_file(job_id)
        return count


def _pages(objects: Iterator[Source]) -> Iterator[list[Source]]:
    while page := list(islice(objects, _PAGE)):
        yield page

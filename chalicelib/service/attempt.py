"""One attempt at a claim: preview, load or undo a job, or make its rejects file.

It is retried with backoff while a dependency is unavailable.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from chalicelib.core.completion import fate_of_rows
from chalicelib.core.erased_values import TOLD
from chalicelib.core.errors import JobEnded, JobFailed, RetryLater, TooManyRejects
from chalicelib.core.jobs import Claim, Job, Task
from chalicelib.core.model import Status
from chalicelib.service.activity import Activity
from chalicelib.service.ingestion import Ingester, Result
from chalicelib.service.preview import Previewer
from chalicelib.service.register import JobRegister
from chalicelib.service.rejects_file import RejectsFileMaker
from chalicelib.telemetry import Metric, emit_metrics, logger

_LONGEST_PAUSE = 30.0  # seconds, between retries
_AFTER_FAILURE = {
    Status.FAILED: Result.JOB_ENDED,
    Status.UNDOING: Result.CLAIM_DONE,  # the next claim undoes it
    None: Result.INTERRUPTED,
}


class Failures(Protocol):
    """Let jobs fail."""

    def fail(self, job: Job, *, owner: str, code: str, message: str) -> Status | None:
        """Let the job fail with that error, and return the status that it has then.

        That is FAILED; or UNDOING if its instructions are to undo what it has loaded: once that is done, it
        is FAILED. Return None, with nothing changed, if the job has ended or has another reading, or
        ``owner`` has no lease on it. Raises RetryLater.
        """

    def fail_over_budget(self, job: Job, *, owner: str) -> Status | None:
        """Let the job fail for its rejects as :meth:`fail` does, if the ledger exceeds its budget."""


class Undo(Protocol):
    """Undo jobs."""

    def undo(self, job: Job, *, owner: str, keep_going: Callable[[], bool]) -> bool:
        """Remove the rows that only this job brought, its rejects and its ledger, step by step.

        A job that ``rereads`` is PENDING then, without a reading. One that ``rolls_back`` is FAILED, and has
        lost its rows only. Any other one is UNDONE.
        Return False if ``keep_going`` returned False before the end. Raises JobEnded if another worker has
        the lease, RetryLater.
        """


@dataclass(frozen=True)
class Attempts:
    """Make attempts at claims."""

    jobs: JobRegister
    ingester: Ingester
    previewer: Previewer
    undo: Undo
    failures: Failures
    rejects_files: RejectsFileMaker
    max_attempts: int  # without progress, before a job fails
    outage_seconds: float  # how long an attempt is retried while a dependency is unavailable
    activity: Activity = field(default_factory=Activity)  # of this process

    def run(self, claim: Claim, keep_going: Callable[[], bool]) -> Result:
        """Work on the claim until it is done or ``keep_going`` returns False.

        Raises JobEnded, and RetryLater when an outage lasts longer than ``outage_seconds``.
        """
        start = time.monotonic()

        def is_over(_state: RetryCallState) -> bool:
            return not keep_going() or time.monotonic() - start > self.outage_seconds

        def pause(seconds: float) -> None:
            deadline = time.monotonic() + seconds
            while keep_going() and (remaining := deadline - time.monotonic()) > 0:
                time.sleep(min(remaining, 0.2))

        retrying = Retrying(
            retry=retry_if_exception_type(RetryLater),
            wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE),
            stop=is_over,
            sleep=pause,
            before_sleep=self._note_retry,
            reraise=True,
        )
        tries = count()
        return retrying(lambda claim: self._once(claim, keep_going, is_retry=next(tries) > 0), claim)

    def _note_retry(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.warning("trying again shortly", extra={"reason": str(error), "tries": state.attempt_number})
        if isinstance(error, RetryLater):
            self.activity.waits(state.args[0], error)

    def fail(self, claim: Claim, code: str, message: str) -> Status | None:
        """Let the job fail. See :meth:`Failures.fail`.

        A job whose rejects file cannot be made stays as it is.
        """
        if claim.task is Task.REJECTS_FILE:
            self.rejects_files.fail(claim.job, owner=claim.owner)
            return None
        job = claim.job
        if job.erasures and self.ingester.ledger.erased_values(job).may_be_in(message):  # it shows records
            message = TOLD
        logger.warning("job failed", extra={"code": code, "reason": message})
        status = self.failures.fail(claim.job, owner=claim.owner, code=code, message=message)
        return _counted(claim.job, status)

    def _once(self, claim: Claim, keep_going: Callable[[], bool], *, is_retry: bool) -> Result:
        # A job that is open has more to it than a claim knows, and before a retry it may have changed.
        is_known = not is_retry and claim.task is Task.JOB and claim.job.reading is None
        job = claim.job if is_known else self.jobs.get(claim.job.id)
        if claim.task is Task.REJECTS_FILE:
            return self._make_rejects_file(job, claim, keep_going)
        if job is None or job.status.is_terminal:
            raise JobEnded(f"the job is {job.status if job else 'unknown'}")
        if job.reading_no != claim.job.reading_no:  # a range of an earlier reading may begin within a record
            raise JobEnded("the job is read in another way")
        if job.status is Status.UNDOING:
            return self._undo(job, claim.owner, keep_going)
        return self._read(replace(claim, job=job), keep_going)

    def _read(self, claim: Claim, keep_going: Callable[[], bool]) -> Result:
        """Preview or load the claim's file."""
        try:
            self._check_progress(claim)
            if claim.job.instructions.preview:
                return self.previewer.preview(claim.job, keep_going)
            result = self.ingester.ingest(claim, keep_going)
        except JobFailed as failure:
            return _AFTER_FAILURE[self.fail(claim, failure.code, failure.message)]
        except TooManyRejects:
            return _AFTER_FAILURE[self._fail_over_budget(claim)]
        if result in (Result.JOB_FAILED, Result.ROLLING_BACK):
            logger.warning("job failed: every record was rejected, or too many")
            emit_metrics({Metric.JOBS_FAILED: 1}, claim.job.id)
            return Result.JOB_ENDED if result is Result.JOB_FAILED else Result.CLAIM_DONE
        if result is Result.JOB_ENDED:
            logger.info("job completed")
            times = {Metric.JOBS_COMPLETED: 1, Metric.JOB_TIME: seconds_since(_begin(claim.job))}
            emit_metrics(times, claim.job.id)
        return result

    def _fail_over_budget(self, claim: Claim) -> Status | None:
        status = _counted(claim.job, self.failures.fail_over_budget(claim.job, owner=claim.owner))
        if status is not None:
            logger.warning("job failed: too many records were rejected")
        return status

    def _undo(self, job: Job, owner: str, keep_going: Callable[[], bool]) -> Result:
        loses_rejects = not job.rereads and not job.rolls_back
        if loses_rejects and not self.rejects_files.make_before_undo(job, owner=owner, keep_going=keep_going):
            return Result.INTERRUPTED
        is_undone = self.undo.undo(job, owner=owner, keep_going=keep_going)
        kind = {"rereads": job.rereads, "rolls_back": job.rolls_back}
        logger.info("job undone" if is_undone else "undoing interrupted", extra=kind)
        if not is_undone:
            return Result.INTERRUPTED
        return Result.CLAIM_DONE if job.rereads and not job.rolls_back else Result.JOB_ENDED

    def _make_rejects_file(self, job: Job | None, claim: Claim, keep_going: Callable[[], bool]) -> Result:
        if job is None or not job.status.is_terminal:
            raise JobEnded(f"the job is {job.status if job else 'unknown'}: it has no rejects file")
        attempt = claim.attempts_without_progress
        if attempt > self.max_attempts:
            self.rejects_files.fail(job, owner=claim.owner)
            return Result.JOB_ENDED
        is_made = self.rejects_files.make(job, owner=claim.owner, attempt=attempt, keep_going=keep_going)
        return Result.JOB_ENDED if is_made else Result.INTERRUPTED

    def _check_progress(self, claim: Claim) -> None:
        """Raise JobFailed for a job whose claims all end without progress."""
        if claim.attempts_without_progress > self.max_attempts:
            raise JobFailed(
                "retries-exhausted",
                f"{claim.attempts_without_progress - 1} attempts in a row made no progress with the "
                f"file; the operator's log has the reason. {fate_of_rows(claim.job.instructions.on_failure)}",
            )


def _begin(job: Job) -> datetime:
    """Return when the job's file arrived; of one that waited for its client, when a worker took it."""
    arrived_at = job.upload.arrived_at or job.times.created_at
    return arrived_at if job.preview is None else job.times.started_at or arrived_at


def _counted(job: Job, status: Status | None) -> Status | None:
    """Count the job among those that failed, unless ``status`` is None; return ``status``."""
    if status is not None:
        emit_metrics({Metric.JOBS_FAILED: 1}, job.id)
    return status


def seconds_since(moment: datetime) -> float:
    """Return how many seconds ago the moment was."""
    return (datetime.now(UTC) - moment).total_seconds()

"""One message of the queue, from delivery to acknowledgement: a job is claimed, and worked on.

Of a job that has ended, its rejects file is made if a client asked for it.
"""

import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import sha256

from chalicelib.core.completion import fate_of_rows
from chalicelib.core.errors import JobEnded, RetryLater
from chalicelib.core.jobs import Claim, Task
from chalicelib.core.messages import Delivery
from chalicelib.core.model import Status
from chalicelib.service.alarm import Alarm
from chalicelib.service.attempt import Attempts, seconds_since
from chalicelib.service.ingestion import Result
from chalicelib.service.lease import Heartbeat, Leases
from chalicelib.service.queue import JobReceiver, JobSender
from chalicelib.service.register import JobRegister
from chalicelib.telemetry import Metric, emit_metrics, logger, trace_section

_LONGEST_DELAY = 60.0  # seconds, before a message that was given back is redelivered


class Outcome(Enum):
    """The outcome of a delivery."""

    ACKNOWLEDGED = auto()  # the job has ended, or another message stands for it
    KEPT = auto()  # the queue redelivers the message
    CLAIM_NEXT = auto()  # within a delivery: the claim is done, and the job may have more ranges


@dataclass(frozen=True)
class MessageHandler:
    """Handle deliveries. Times in seconds. Threads may share a handler.

    ``one_claim`` is for workers with little time: they take one range per message, and an interruption before
    any block is an attempt without progress.
    """

    jobs: JobRegister
    leases: Leases
    attempts: Attempts
    sender: JobSender
    receiver: JobReceiver
    worker: str  # names this process in leases
    lease_seconds: float
    heartbeat_seconds: float  # how often lease and message are renewed
    one_claim: bool = False
    alarm: Alarm = field(default_factory=Alarm)  # starts the heartbeats of claims that last

    def handle(self, delivery: Delivery, stop: threading.Event) -> Outcome:
        """Work on the delivery's job until nothing more of it can be claimed, or ``stop`` is set.

        Return ACKNOWLEDGED or KEPT. Raises RetryLater.
        """
        logger.thread_safe_append_keys(job_id=str(delivery.job_id))
        try:
            claim = self._claim(delivery)
            if claim is None:
                return self._decline(delivery)
            while claim is not None:
                outcome = self._work_on(claim, delivery, stop)
                if outcome is not Outcome.CLAIM_NEXT:
                    return outcome
                # The messages of other ranges may be lost, or their workers dead: with a claim here, no range
                # waits for another message.
                claim = self._claim(delivery)
            return self._acknowledge(delivery)
        finally:
            logger.thread_safe_clear_keys()

    def _claim(self, delivery: Delivery) -> Claim | None:
        # Named after the delivery too: two messages for one job may reach the same worker.
        owner = f"{self.worker}/{sha256(delivery.receipt.encode()).hexdigest()[:8]}"
        return self.leases.claim(delivery.job_id, owner=owner, lease_seconds=self.lease_seconds)

    def _decline(self, delivery: Delivery) -> Outcome:
        """Decide about a message whose job cannot be claimed."""
        job = self.jobs.get(delivery.job_id)
        if job is None or job.status.is_terminal:
            logger.info("nothing to do", extra={"status": job.status if job else "unknown"})
            return self._acknowledge(delivery)
        if delivery.deliveries == 1 or delivery.deliveries >= self.receiver.max_deliveries:
            # A duplicate delivery: the message of the worker that has the claim is enough. If both are lost,
            # a sweep enqueues another.
            logger.info("claimed by another worker: message dropped")
            return self._acknowledge(delivery)
        # It may be the message of a worker that had the claim and has just died.
        logger.info("claimed by another worker: message kept")
        self.receiver.retry(delivery, delay_seconds=self.lease_seconds)
        return Outcome.KEPT

    def _work_on(self, claim: Claim, delivery: Delivery, stop: threading.Event) -> Outcome:
        self._log_claim(claim, delivery)
        heartbeat = Heartbeat(
            self.alarm,
            self.leases,
            self.receiver,
            delivery,
            claim.owner,
            lease_seconds=self.lease_seconds,
            interval=self.heartbeat_seconds,
        )
        try:
            with (
                heartbeat,
                self.attempts.activity.on(claim) as work,
                trace_section("ingest", job_id=str(claim.job.id)),
            ):
                result = self.attempts.run(
                    claim, lambda: work.goes_on() and not (stop.is_set() or heartbeat.lease_ended)
                )
        except JobEnded as error:
            return self._drop(delivery, error)
        except RetryLater:
            logger.exception("attempt interrupted: a dependency is not available")
            return (
                Outcome.KEPT
                if heartbeat.lease_ended
                else self._requeue(claim, delivery, without_progress=False)
            )
        except Exception:  # noqa: BLE001 - no error may lose the job
            logger.exception(
                "attempt failed", extra={"attempts_without_progress": claim.attempts_without_progress}
            )
            return self._give_back(claim, delivery)
        return self._settle(claim, delivery, result, lease_ended=heartbeat.lease_ended)

    def _log_claim(self, claim: Claim, delivery: Delivery) -> None:
        job = claim.job
        bounds = {"start": claim.range.start, "end": claim.range.end} if claim.range else {}
        counts = {"attempt": job.progress.attempts, "deliveries": delivery.deliveries}
        logger.info("job claimed", extra={**counts, **bounds, "task": claim.task.name})
        if job.progress.attempts == 1 and claim.range is None and claim.task is Task.JOB:
            wait_seconds = seconds_since(job.upload.arrived_at or job.times.created_at)
            emit_metrics({Metric.QUEUE_TIME: wait_seconds}, job.id)

    def _settle(self, claim: Claim, delivery: Delivery, result: Result, *, lease_ended: bool) -> Outcome:
        """Decide about the message after an attempt without an error."""
        if result in (Result.JOB_ENDED, Result.PREVIEWED):
            return self._acknowledge(delivery)
        if result is Result.CLAIM_DONE:
            if self.one_claim:
                return self._requeue(claim, delivery, without_progress=False)
            self.leases.release(claim.job.id, owner=claim.owner, without_progress=False)
            return Outcome.CLAIM_NEXT
        if lease_ended:
            logger.warning("lease ended: another worker has the claim")  # and a message of its own
            return Outcome.KEPT
        logger.info("job given back")
        if self.one_claim:
            emit_metrics({Metric.CONTINUATIONS: 1}, claim.job.id)
        return self._requeue(claim, delivery, without_progress=self.one_claim)

    def _drop(self, delivery: Delivery, error: JobEnded) -> Outcome:
        logger.info("job ended during the attempt", extra={"reason": str(error)})
        job = self.jobs.get(delivery.job_id)
        if job is not None and not job.status.is_terminal:
            return Outcome.KEPT  # the worker that has the claim now may have it by this message
        return self._acknowledge(delivery)

    def _requeue(self, claim: Claim, delivery: Delivery, *, without_progress: bool) -> Outcome:
        """Replace the message with a fresh one: an interruption or an outage is not a failed delivery."""
        self.leases.release(claim.job.id, owner=claim.owner, without_progress=without_progress)
        self.sender.send(claim.job.id)
        return self._acknowledge(delivery)

    def _give_back(self, claim: Claim, delivery: Delivery) -> Outcome:
        """Let the job be retried after a delay; after too many attempts without progress, fail it."""
        job, max_deliveries = claim.job, self.receiver.max_deliveries
        is_exhausted = claim.attempts_without_progress >= max_deliveries and not self._has_progressed(claim)
        if is_exhausted and job.status is not Status.UNDOING:
            status = self.attempts.fail(
                claim,
                "internal-error",
                f"The file could not be loaded in {claim.attempts_without_progress} attempts, for a reason "
                "that Sluice does not know; the operator's log has the error. "
                f"{fate_of_rows(job.instructions.on_failure)}",
            )
            if status is Status.UNDOING:
                self.sender.send(job.id)
            return self._acknowledge(delivery)
        self.leases.release(job.id, owner=claim.owner, without_progress=True)
        if delivery.deliveries >= max_deliveries:  # one more would send the message to the dead letters
            if not is_exhausted:  # otherwise a sweep enqueues another, after a while
                self.sender.send(job.id)
            return self._acknowledge(delivery)
        self.receiver.retry(delivery, delay_seconds=min(2.0**delivery.deliveries, _LONGEST_DELAY))
        return Outcome.KEPT

    def _has_progressed(self, claim: Claim) -> bool:
        job = self.jobs.get(claim.job.id)
        return job is None or job.progress.bytes_processed != claim.job.progress.bytes_processed

    def _acknowledge(self, delivery: Delivery) -> Outcome:
        self.receiver.acknowledge(delivery)
        return Outcome.ACKNOWLEDGED

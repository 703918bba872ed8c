"""One message of the queue, from delivery to its end: its job is taken and loaded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from chalicelib.errors import JobFailed, RetryLater
from chalicelib.flow.ingest import Parts, ingest
from chalicelib.model import Job
from chalicelib.ports import Delivery, JobReceiver, Jobs, JobSender
from chalicelib.telemetry import logger

_LONGEST_BACKOFF = 60.0  # seconds


@dataclass(frozen=True)
class Consumer:
    """What is needed to deal with messages. Times in seconds."""

    jobs: Jobs
    parts: Parts
    sender: JobSender
    receiver: JobReceiver
    owner: str  # names this worker in the leases it takes
    lease_seconds: float
    beat_seconds: float  # how often lease and message are renewed while a job is worked on


def consume(consumer: Consumer, delivery: Delivery, stop: threading.Event) -> None:
    """Works on the delivered job until it has ended or ``stop`` is set. Raises RetryLater.

    The message is acknowledged only when the job has ended or another message stands for it.
    """
    logger.thread_safe_append_keys(job_id=str(delivery.job_id))
    try:
        job = consumer.parts.claims.claim(
            delivery.job_id, owner=_owner(consumer, delivery), lease_seconds=consumer.lease_seconds
        )
        if job is None:
            _not_ours(consumer, delivery)
        else:
            _work(consumer, delivery, job, stop)
    finally:
        logger.thread_safe_clear_keys()


def _owner(consumer: Consumer, delivery: Delivery) -> str:
    """Names this delivery: two messages for one job may reach the same worker."""
    return f"{consumer.owner}/{sha256(delivery.receipt.encode()).hexdigest()[:8]}"


def _not_ours(consumer: Consumer, delivery: Delivery) -> None:
    job = consumer.jobs.get(delivery.job_id)
    if job is None or job.status.is_terminal:
        logger.info("nothing to do", extra={"status": job.status if job else "unknown"})
        consumer.receiver.acknowledge(delivery)
    else:  # another worker has it; should that one die, this message is what brings the job back
        logger.info("held by another worker")
        consumer.receiver.retry(delivery, delay_seconds=consumer.lease_seconds)


def _work(consumer: Consumer, delivery: Delivery, job: Job, stop: threading.Event) -> None:
    claims = consumer.parts.claims
    logger.info("job taken", extra={"attempt": job.attempts, "deliveries": delivery.deliveries})
    try:
        with _kept(consumer, delivery) as lost:
            done = ingest(job, consumer.parts, lambda: not (stop.is_set() or lost.is_set()))
    except JobFailed as failure:
        logger.warning("job failed", extra={"code": failure.code, "reason": failure.message})
        claims.fail(job.id, failure.code, failure.message)
    except Exception as error:  # noqa: BLE001 - whatever it was, the job must not be lost
        logger.exception("attempt failed", extra={"deliveries": delivery.deliveries})
        _give_back(consumer, delivery, job, error)
        return
    else:
        if done:
            logger.info("job completed")
        elif lost.is_set():
            logger.warning("job lost to another worker")  # whose own message is the one that counts
            return
        else:
            logger.info("job given back")
            claims.release(job.id, owner=_owner(consumer, delivery))
            consumer.sender.send(job.id)  # a fresh message: being shut down is no failed delivery
    consumer.receiver.acknowledge(delivery)


def _give_back(consumer: Consumer, delivery: Delivery, job: Job, error: Exception) -> None:
    """To be tried again a little later; on the last try the job FAILS, and the queue buries the message."""
    if delivery.deliveries >= consumer.receiver.max_deliveries:
        code = "retries-exhausted" if isinstance(error, RetryLater) else "internal-error"
        tries = f"{delivery.deliveries} attempts"
        sentence = (
            f"The file could not be loaded in {tries}. What was loaded is kept; the operator was told why."
        )
        consumer.parts.claims.fail(job.id, code, sentence)
    consumer.parts.claims.release(job.id, owner=_owner(consumer, delivery))
    consumer.receiver.retry(delivery, delay_seconds=min(2.0**delivery.deliveries, _LONGEST_BACKOFF))


@contextmanager
def _kept(consumer: Consumer, delivery: Delivery) -> Iterator[threading.Event]:
    """Keeps the lease and the message while the job is worked on; the event is set if the lease is lost."""
    done, lost = threading.Event(), threading.Event()

    def keep() -> None:
        while not done.wait(consumer.beat_seconds):
            try:
                if not consumer.parts.claims.renew(
                    delivery.job_id, owner=_owner(consumer, delivery), lease_seconds=consumer.lease_seconds
                ):
                    lost.set()
                    return
                consumer.receiver.extend(delivery)
            except Exception:  # noqa: BLE001 - the next beat may get through; the ledger guards us meanwhile
                logger.exception("lease not renewed")

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()

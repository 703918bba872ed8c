"""One message of the queue, from delivery to its end: its job is taken and loaded, or undone."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from chalicelib.core.errors import JobEnded, JobFailed, RetryLater
from chalicelib.core.model import Job, Status
from chalicelib.core.ports import Delivery, JobReceiver, Jobs, JobSender
from chalicelib.service.ingestion import Parts, Result, ingest
from chalicelib.telemetry import Metric, logger, measured, traced

_LONGEST_PAUSE = 30.0  # seconds, between tries while something outside is unwell
_LONGEST_DELAY = 60.0  # seconds, before a message that was given back comes again


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
    patience: float  # how long an outage is sat out with a job in hand
    stops_count: bool = False  # being stopped before any block was done is an attempt in vain


def consume(consumer: Consumer, delivery: Delivery, stop: threading.Event) -> bool:
    """Works on the delivered job until no more of it is to be had or ``stop`` is set. Raises RetryLater.

    Whether the message was acknowledged: only when the job has ended or another message stands for it.
    """
    logger.thread_safe_append_keys(job_id=str(delivery.job_id))
    try:
        owner = _owner(consumer, delivery)
        claims, seconds = consumer.parts.claims, consumer.lease_seconds
        job = claims.claim(delivery.job_id, owner=owner, lease_seconds=seconds)
        if job is None:
            return _not_ours(consumer, delivery)
        while job is not None:
            acknowledged = _work(consumer, delivery, job, stop)
            if acknowledged is not None:
                return acknowledged
            # There may be more of the file to take. The messages of those ranges are not needed then; but if
            # one was lost, or a worker with one, nobody has to wait for another.
            job = claims.claim(delivery.job_id, owner=owner, lease_seconds=seconds)
        return _acknowledged(consumer, delivery)
    finally:
        logger.thread_safe_clear_keys()


def _owner(consumer: Consumer, delivery: Delivery) -> str:
    """Names this delivery: two messages for one job may reach the same worker."""
    return f"{consumer.owner}/{sha256(delivery.receipt.encode()).hexdigest()[:8]}"


def _not_ours(consumer: Consumer, delivery: Delivery) -> bool:
    job = consumer.jobs.get(delivery.job_id)
    if job is None or job.status.is_terminal:
        logger.info("nothing to do", extra={"status": job.status if job else "unknown"})
        return _acknowledged(consumer, delivery)
    if delivery.deliveries == 1 or delivery.deliveries >= consumer.receiver.max_deliveries:
        # a message too many: the one by which the other worker holds the job is enough, and should both
        # be lost, a sweep sends another
        logger.info("held by another worker: message dropped")
        return _acknowledged(consumer, delivery)
    # it may be the one by which a worker held the job that has just died
    logger.info("held by another worker: looked at again later")
    consumer.receiver.retry(delivery, delay_seconds=consumer.lease_seconds)
    return False


def _acknowledged(consumer: Consumer, delivery: Delivery) -> bool:
    consumer.receiver.acknowledge(delivery)
    return True


def _work(consumer: Consumer, delivery: Delivery, job: Job, stop: threading.Event) -> bool | None:
    """What :func:`consume` says; None: what was taken is done, and there may be more to take."""
    taken = vars(job.range) if job.range else {}
    logger.info("job taken", extra={"attempt": job.attempts, "deliveries": delivery.deliveries, **taken})
    if job.attempts == 1 and job.range is None:
        measured({Metric.QUEUE_TIME: _seconds_since(job.uploaded_at or job.created_at)}, job.id)
    try:
        with _kept(consumer, delivery) as lost, traced("ingest", job_id=str(job.id)):
            result = _patiently(consumer, delivery, job, lambda: not (stop.is_set() or lost.is_set()))
    except JobEnded as ended:
        return _ended_meanwhile(consumer, delivery, ended)
    except RetryLater:
        logger.exception("given up for now")
        return not lost.is_set() and _pass_on(consumer, delivery, job, vain=False)
    except Exception:  # noqa: BLE001 - whatever it was, the job must not be lost
        logger.exception("attempt failed", extra={"vain_attempts": job.vain_attempts})
        return _give_back(consumer, delivery, job)
    return _settled(consumer, delivery, job, result, is_lost=lost.is_set())


def _settled(
    consumer: Consumer, delivery: Delivery, job: Job, result: Result, *, is_lost: bool
) -> bool | None:
    """The message after an attempt that was not broken off; see :func:`_work`."""
    if result is Result.ENDED:
        return _acknowledged(consumer, delivery)
    if result is Result.PART:
        if consumer.stops_count:  # there may be little time left: the next range is for another invocation
            return _pass_on(consumer, delivery, job, vain=False)
        consumer.parts.claims.release(job.id, owner=_owner(consumer, delivery), vain=False)
        return None
    if is_lost:
        logger.warning("job lost to another worker")  # whose own message is the one that counts
        return False
    logger.info("job given back")
    if consumer.stops_count:
        measured({Metric.CONTINUATIONS: 1}, job.id)
    return _pass_on(consumer, delivery, job, vain=consumer.stops_count)


def _ended_meanwhile(consumer: Consumer, delivery: Delivery, ended: JobEnded) -> bool:
    logger.info("job ended meanwhile", extra={"reason": str(ended)})
    known = consumer.jobs.get(delivery.job_id)
    if known is not None and not known.status.is_terminal:
        return False  # whoever has it now may hold it by this very message
    return _acknowledged(consumer, delivery)


def _patiently(consumer: Consumer, delivery: Delivery, job: Job, keep_going: Callable[[], bool]) -> Result:
    """One attempt, which sits out what time may mend.

    Raises JobEnded, and RetryLater when the patience is at an end.
    """
    started = time.monotonic()

    def is_over(_state: RetryCallState) -> bool:
        return not keep_going() or time.monotonic() - started > consumer.patience

    def pause(seconds: float) -> None:
        until = time.monotonic() + seconds
        while keep_going() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    retrying = Retrying(
        retry=retry_if_exception_type(RetryLater),
        wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE),
        stop=is_over,
        sleep=pause,
        before_sleep=_say_why,
        reraise=True,
    )
    return retrying(_attempt, consumer, _owner(consumer, delivery), job, keep_going)


def _say_why(state: RetryCallState) -> None:
    trouble = state.outcome.exception() if state.outcome else None
    logger.warning("trying again shortly", extra={"reason": str(trouble), "tries": state.attempt_number})


def _attempt(consumer: Consumer, owner: str, job: Job, keep_going: Callable[[], bool]) -> Result:
    """Loads or undoes what was taken of the job, as far as it is not done yet."""
    claims = consumer.parts.claims
    known = consumer.jobs.get(job.id)  # not as it was when it was taken: this may be the second try
    if known is None or known.status.is_terminal:
        raise JobEnded(f"the job is {known.status if known else 'unknown'}")
    if known.status is Status.UNDOING:
        done = claims.undo(known, owner=owner, keep_going=keep_going)
        logger.info("job undone" if done else "undoing interrupted")
        return Result.ENDED if done else Result.INTERRUPTED
    try:
        if job.vain_attempts > consumer.receiver.max_deliveries:
            raise _exhausted(job)
        result = ingest(replace(known, range=job.range), consumer.parts, keep_going)
    except JobFailed as failure:
        logger.warning("job failed", extra={"code": failure.code, "reason": failure.message})
        failed = _failed(consumer, owner, job, failure.code, failure.message)
        return Result.ENDED if failed else Result.INTERRUPTED
    if result is Result.ENDED:
        logger.info("job completed")
        arrived = known.uploaded_at or known.created_at
        measured({Metric.JOBS_COMPLETED: 1, Metric.JOB_TIME: _seconds_since(arrived)}, job.id)
    return result


def _failed(consumer: Consumer, owner: str, job: Job, code: str, sentence: str) -> bool:
    """FAILED, if that is still ours to say; whether it was."""
    failed = consumer.parts.claims.fail(job.id, owner=owner, code=code, message=sentence)
    if failed:
        measured({Metric.JOBS_FAILED: 1}, job.id)
    return failed


def _seconds_since(moment: datetime) -> float:
    return (datetime.now(UTC) - moment).total_seconds()


def _exhausted(job: Job) -> JobFailed:
    """The job kills or fails every worker that takes it."""
    return JobFailed(
        "retries-exhausted",
        f"{job.vain_attempts - 1} attempts in a row did not get any further with the file. "
        "What was loaded is kept; the operator's log says why.",
    )


def _pass_on(consumer: Consumer, delivery: Delivery, job: Job, *, vain: bool) -> bool:
    """A fresh message takes this one's place: being stopped, or an outage, is no failed delivery."""
    consumer.parts.claims.release(job.id, owner=_owner(consumer, delivery), vain=vain)
    consumer.sender.send(job.id)
    return _acknowledged(consumer, delivery)


def _give_back(consumer: Consumer, delivery: Delivery, job: Job) -> bool:
    """To be tried again a little later; after too many attempts in vain the job FAILS."""
    owner = _owner(consumer, delivery)
    known = consumer.jobs.get(job.id)
    in_vain = known is not None and known.bytes_processed == job.bytes_processed
    too_often = in_vain and job.vain_attempts >= consumer.receiver.max_deliveries
    if too_often and job.status is not Status.UNDOING:
        sentence = (
            f"The file could not be loaded in {job.vain_attempts} attempts, for a reason that Sluice does "
            "not know. What was loaded is kept; the operator's log says more."
        )
        _failed(consumer, owner, job, "internal-error", sentence)
        return _acknowledged(consumer, delivery)
    consumer.parts.claims.release(job.id, owner=owner, vain=True)
    if delivery.deliveries >= consumer.receiver.max_deliveries:  # the next would bury it
        if not too_often:  # else a sweep sends another, in a while
            consumer.sender.send(job.id)
        return _acknowledged(consumer, delivery)
    consumer.receiver.retry(delivery, delay_seconds=min(2.0**delivery.deliveries, _LONGEST_DELAY))
    return False


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

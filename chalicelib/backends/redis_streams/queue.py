"""Send and receive on Redis Streams. The package's docstring explains how."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import redis
from redis.exceptions import RedisError, ResponseError

from chalicelib.backends.redis_streams import scripts
from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import RetryLater
from chalicelib.core.messages import Delivery
from chalicelib.telemetry import logger

GROUP = "workers"
# Messages given back belong to this consumer until they are redelivered. It is not a worker's name: a worker
# that gave everything back can leave the group, and its late heartbeat does not hold the message.
RETURNED = "returned"
# A blocked XREADGROUP returns for new messages only, so it is interrupted to look for expired ones.
POLL_SECONDS = 0.5
# A consumer with nothing pending that was silent for this many visibility timeouts has died.
DEAD_AFTER_TIMEOUTS = 10


@contextmanager
def _retry_later(action: str) -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise RetryLater(f"Redis: could not {action}: {error}", Dependency.QUEUE) from error


def _group_is_missing(error: ResponseError) -> bool:
    """Return whether Redis answered NOGROUP, or, from 7.0 on, UNBLOCKED: the stream was deleted meanwhile."""
    return "NOGROUP" in str(error) or "UNBLOCKED" in str(error)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def _job_id(fields: Mapping[str, str]) -> UUID | None:
    try:
        return UUID(fields["job_id"])
    except (KeyError, ValueError):
        return None


def _tell_not_held(delivery: Delivery) -> None:
    logger.warning(
        "message is held by another receiver, or was deleted", extra={"job_id": str(delivery.job_id)}
    )


class _Entry:
    """One delivered stream entry, its texts decoded."""

    def __init__(self, entry_id: bytes | str, deliveries: int, fields: Mapping[Any, Any]) -> None:
        self.id = _text(entry_id)
        self.deliveries = deliveries
        self.fields = {_text(name): _text(value) for name, value in fields.items()}


def _new_entries(reply: Any) -> Iterator[_Entry]:  # noqa: ANN401 - three shapes, and None
    """Yield the entries of an XREADGROUP reply, whose shape depends on the client's protocol version."""
    for entries in reply.values() if isinstance(reply, dict) else [pair[1] for pair in reply or ()]:
        nested = entries and isinstance(entries[0], list)
        for entry_id, fields in entries[0] if nested else entries:
            yield _Entry(entry_id, 1, fields)


class RedisSender:
    """Enqueue jobs. Implement :class:`chalicelib.service.queue.JobSender`."""

    def __init__(self, client: redis.Redis, stream: str) -> None:
        self._client = client
        self._stream = stream

    def send(self, job_id: UUID, *, copies: int = 1) -> None:
        """Enqueue entries. The client's retries may add them twice, which at-least-once allows."""
        with _retry_later(f"send job {job_id}"), self._client.pipeline(transaction=False) as pipeline:
            for _ in range(copies):
                pipeline.xadd(self._stream, {"job_id": str(job_id)})
            pipeline.execute()

    def ping(self) -> None:
        """Return if the queue answers. Raises RetryLater."""
        with _retry_later("reach Redis"):
            self._client.ping()


class RedisReceiver:
    """Take messages off the stream. Implement :class:`chalicelib.service.queue.JobReceiver`.

    ``consumer`` names this process and must be its own. Dead letters are entries of ``<stream>:dead`` with
    ``id``, ``reason``, ``deliveries`` and the ``message`` as JSON; they stay until a person removes them.
    Threads may share a receiver.
    """

    def __init__(
        self,
        client: redis.Redis,
        stream: str,
        *,
        consumer: str,
        visibility_timeout: float,
        max_deliveries: int,
    ) -> None:
        self.max_deliveries = max_deliveries
        self._client = client
        self._stream = stream
        self._consumer = consumer
        self._visibility_ms = max(1, round(visibility_timeout * 1000))
        self._has_cleaned_up = False
        self._scripts = {text: client.register_script(text) for text in scripts.ALL}

    def receive(self, *, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        """Return expired messages first, then new ones, as soon as there are any. Raises RetryLater."""
        deadline = time.monotonic() + wait_seconds
        with _retry_later("receive"):
            while True:
                deliveries = self._deliverable(self._take(limit, deadline))
                if deliveries or time.monotonic() >= deadline:
                    return deliveries

    def acknowledge(self, *deliveries: Delivery) -> None:
        """Remove the messages that this receiver still holds. Raises RetryLater."""
        held = [item for delivery in deliveries for item in (delivery.receipt, delivery.deliveries)]
        with _retry_later("acknowledge messages"):
            for number in self._run_on_group(scripts.ACKNOWLEDGE, *held, otherwise=range(len(deliveries))):
                _tell_not_held(deliveries[number])

    def extend(self, delivery: Delivery) -> None:
        """Restart the visibility timeout, if this receiver still holds the message. Raises RetryLater."""
        with _retry_later(f"extend the lease on job {delivery.job_id}"):
            self._if_held(scripts.HIDE, delivery, self._consumer, self._visibility_ms)

    def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        """Give the message back, if this receiver still holds it. Raises RetryLater."""
        with _retry_later(f"give job {delivery.job_id} back"):
            self._if_held(scripts.HIDE, delivery, RETURNED, max(0, round(delay_seconds * 1000)))

    def close(self) -> None:
        """Leave the group. Messages still held stay pending and are redelivered later. Raises RetryLater."""
        with _retry_later("leave the consumer group"):
            self._remove_consumers(leaving=self._consumer)

    def _take(self, limit: int, deadline: float) -> list[_Entry]:
        try:
            return self._take_once(limit, deadline)
        except ResponseError as error:
            if not _group_is_missing(error):
                raise
        self._create_group()
        return self._take_once(limit, deadline)

    def _take_once(self, limit: int, deadline: float) -> list[_Entry]:
        if not self._has_cleaned_up:
            self._remove_consumers()
            self._has_cleaned_up = True
        return self._claim_expired(limit) or self._read_new(limit, self._block_ms(deadline))

    def _claim_expired(self, limit: int) -> list[_Entry]:
        reason = f"delivered {self.max_deliveries} times and never acknowledged"
        replies = self._run(scripts.CLAIM, limit, self.max_deliveries, reason, RETURNED)
        return [
            _Entry(entry_id, deliveries, dict(zip(flat[::2], flat[1::2], strict=True)))
            for entry_id, deliveries, flat in replies
        ]

    def _read_new(self, limit: int, block_ms: int | None) -> list[_Entry]:
        reply = self._client.xreadgroup(
            GROUP, self._consumer, {self._stream: ">"}, count=limit, block=block_ms
        )
        return list(_new_entries(reply))

    def _block_ms(self, deadline: float) -> int | None:
        """Return how long to block: within the wait, and well within the client's own socket timeout.

        None means not at all: to Redis, ``BLOCK 0`` means for ever. Redis looks at the clock ten times a
        second, so a block may last 0.1 s longer; the socket timeout should be 0.5 s or more.
        """
        socket_timeout = self._client.get_connection_kwargs().get("socket_timeout") or POLL_SECONDS * 2
        seconds = min(deadline - time.monotonic(), POLL_SECONDS, socket_timeout / 2)
        milliseconds = int(seconds * 1000)
        return milliseconds if milliseconds > 0 else None

    def _deliverable(self, entries: Sequence[_Entry]) -> list[Delivery]:
        """Return the entries that name a job; send the others to the dead letters."""
        deliveries = []
        for entry in entries:
            if (job_id := _job_id(entry.fields)) is None:
                self._bury(entry)
            else:
                deliveries.append(Delivery(job_id, entry.id, entry.deliveries))
        return deliveries

    def _bury(self, entry: _Entry) -> None:
        logger.error("message is not a job's id", extra={"message_id": entry.id, "body": entry.fields})
        try:
            self._run(scripts.BURY, entry.id, entry.deliveries, "not a job's id")
        except RedisError:  # the messages beside it are good, and this one is redelivered
            logger.exception("dead letter not written", extra={"message_id": entry.id})

    def _if_held(self, script: str, delivery: Delivery, *args: str | int) -> None:
        if not self._run_on_group(script, delivery.receipt, delivery.deliveries, *args, otherwise=0):
            _tell_not_held(delivery)

    def _run_on_group(self, script: str, *args: str | int, otherwise: Any) -> Any:  # noqa: ANN401 - the reply
        """Return the script's reply; ``otherwise`` if the group is missing."""
        try:
            return self._run(script, *args)
        except ResponseError as error:
            if not _group_is_missing(error):
                raise
            return otherwise

    def _remove_consumers(self, *, leaving: str = "") -> None:
        try:
            self._run(scripts.SWEEP, self._visibility_ms * DEAD_AFTER_TIMEOUTS, leaving)
        except ResponseError as error:
            if not _group_is_missing(error) and "no such key" not in str(error):
                raise

    def _create_group(self) -> None:
        """Create the group at the stream's first entry: entries that were acknowledged are deleted."""
        try:
            self._client.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):  # another worker was faster
                raise

    def _run(self, script: str, *args: str | int) -> Any:  # noqa: ANN401 - the script's reply
        keys = [self._stream, f"{self._stream}:dead", f"{self._stream}:delayed"]
        return self._scripts[script](keys, [GROUP, self._consumer, self._visibility_ms, *args])

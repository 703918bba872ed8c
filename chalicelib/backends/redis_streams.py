"""The job queue on Redis Streams: a consumer group whose pending entries are the leases.

An entry is ``{"job_id": "<uuid>"}``. The group's list of pending entries holds, for every message handed out,
who holds it, for how long it has been idle and how often it was handed out. From that:

- a message idle for longer than the visibility timeout may be handed out again (XAUTOCLAIM);
- holding it longer, or giving it back, is setting its idle time (XCLAIM … IDLE … JUSTID: not a hand-out);
- a receiver's claim on a message is proven by its name and the number of the hand-out together, so one who
  comes too late changes nothing.

Whatever takes more than one command is a Lua script, as scripts run whole or not at all. Rules are those of
redis.io's command pages XREADGROUP, XAUTOCLAIM, XCLAIM, XPENDING and XINFO CONSUMERS, from Redis 6.2 on. On a
Redis Cluster the stream's name needs a hash tag (``{sluice}:jobs``), so that its keys live together.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import redis
from aws_lambda_powertools import Logger
from redis.exceptions import RedisError, ResponseError

from chalicelib.errors import RetryLater
from chalicelib.ports import Delivery

GROUP = "workers"
# Messages given back belong to this consumer until they are handed out again: no worker's name, so a worker
# that gave everything back can leave the group, and a late heartbeat of its does not hold the message.
RETURNED = "returned"
# A blocked XREADGROUP wakes up for new messages only, so it is interrupted to look for expired ones.
POLL_SECONDS = 0.5
# A consumer that has nothing pending and was silent for so many visibility timeouts is gone.
GONE_AFTER_TIMEOUTS = 10

# Every script: KEYS = stream, dead letters, delays; ARGV = group, consumer, visibility timeout (ms), …
_COMMON = """
local stream, dead, delayed = KEYS[1], KEYS[2], KEYS[3]
local group, consumer, visibility = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function forget(id)
  redis.call('XACK', stream, group, id)
  redis.call('XDEL', stream, id)
  redis.call('HDEL', delayed, id)
end

local function bury(id, fields, deliveries, reason)
  local message = {}
  for i = 1, #fields, 2 do message[fields[i]] = fields[i + 1] end
  redis.call('XADD', dead, '*', 'id', id, 'reason', reason, 'deliveries', deliveries,
             'message', cjson.encode(message))
  forget(id)
end

-- An idle time below zero is not possible, so what is due later than the visibility timeout is written down.
local function hide(id, keeper, ms)
  local idle = math.max(0, visibility - ms)
  redis.call('XCLAIM', stream, group, keeper, 0, id, 'IDLE', idle, 'JUSTID')
  if ms > visibility then redis.call('HSET', delayed, id, now + ms) else redis.call('HDEL', delayed, id) end
end
"""

# ARGV[4..6] = limit, max deliveries, reason. Returns {id, deliveries, fields} for each message handed out.
# JUSTID, because without it Redis 6.2 reports an entry deleted by someone else as a nil that has no id, and
# because the count is to be looked at before it grows. XAUTOCLAIM gives up after 10 x COUNT entries, so without
# following its cursor long-held messages at the head would hide the expired ones behind them for ever.
_CLAIM = (
    _COMMON
    + """
local limit, max_deliveries, reason = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local taken = {}

local function hand_out(id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then return forget(id) end
  local due = tonumber(redis.call('HGET', delayed, id) or 0)
  if due > now then return hide(id, ARGV[7], due - now) end
  local deliveries = redis.call('XPENDING', stream, group, id, id, 1)[1][4]
  if deliveries >= max_deliveries then return bury(id, entry[2], deliveries, reason) end
  redis.call('XCLAIM', stream, group, consumer, 0, id)
  redis.call('HDEL', delayed, id)
  taken[#taken + 1] = {id, deliveries + 1, entry[2]}
end

local cursor = '0-0'
repeat
  local found = redis.call('XAUTOCLAIM', stream, group, consumer, visibility, cursor,
                           'COUNT', limit - #taken, 'JUSTID')
  cursor = found[1]
  for _, id in ipairs(found[2]) do hand_out(id) end
  for _, id in ipairs(found[3] or {}) do redis.call('HDEL', delayed, id) end
until cursor == '0-0' or #taken == limit
return taken
"""
)

# ARGV[4..5] = id, number of the hand-out. The message is the caller's only while both still agree.
_IF_HELD = (
    _COMMON
    + """
local id = ARGV[4]
local held = redis.call('XPENDING', stream, group, id, id, 1)[1]
if not held or held[2] ~= consumer or held[4] ~= tonumber(ARGV[5]) then return 0 end
"""
)
_ACKNOWLEDGE = _IF_HELD + "forget(id) return 1"
_HIDE = _IF_HELD + "hide(id, ARGV[6], tonumber(ARGV[7])) return 1"
_BURY = (
    _IF_HELD
    + """
local entry = redis.call('XRANGE', stream, id, id)[1]
if entry then bury(id, entry[2], held[4], ARGV[6]) else forget(id) end
return 1
"""
)

# ARGV[4] = silence in ms. XGROUP DELCONSUMER also drops what is pending, which would lose messages: so only
# consumers that have nothing pending, and in one step with the look.
_SWEEP = (
    _COMMON
    + """
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local info = {}
  for i = 1, #flat, 2 do info[flat[i]] = flat[i + 1] end
  local leaves = info.name == ARGV[5] or info.idle > tonumber(ARGV[4])
  if leaves and info.pending == 0 then redis.call('XGROUP', 'DELCONSUMER', stream, group, info.name) end
end
"""
)

logger = Logger(service="sluice", child=True)


@contextmanager
def _retry_later(doing: str) -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise RetryLater(f"Redis: could not {doing}: {error}") from error


def _group_is_missing(error: ResponseError) -> bool:
    """NOGROUP, or UNBLOCKED (from 7.0 on: the stream went away during a blocking read)."""
    return "NOGROUP" in str(error) or "UNBLOCKED" in str(error)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def _job_id(fields: Mapping[str, str]) -> UUID | None:
    try:
        return UUID(fields["job_id"])
    except (KeyError, ValueError):
        return None


class _Entry:
    """One stream entry as handed out, its texts decoded."""

    def __init__(self, entry_id: bytes | str, deliveries: int, fields: Mapping[Any, Any]) -> None:
        self.id = _text(entry_id)
        self.deliveries = deliveries
        self.fields = {_text(name): _text(value) for name, value in fields.items()}


def _new_entries(reply: Any) -> Iterator[_Entry]:
    """The entries of an XREADGROUP reply, whose shape depends on the client's protocol version."""
    for entries in reply.values() if isinstance(reply, dict) else [pair[1] for pair in reply or ()]:
        nested = entries and isinstance(entries[0], list)
        for entry_id, fields in entries[0] if nested else entries:
            yield _Entry(entry_id, 1, fields)


class RedisSender:
    """Puts jobs on the stream. Fills the port :class:`chalicelib.ports.JobSender`."""

    def __init__(self, client: redis.Redis, stream: str) -> None:
        self._client = client
        self._stream = stream

    def send(self, job_id: UUID) -> None:
        """Add an entry. A client that retries may add it twice, which at-least-once allows."""
        with _retry_later(f"send job {job_id}"):
            self._client.xadd(self._stream, {"job_id": str(job_id)})


class RedisReceiver:
    """Takes jobs off the stream. Fills the port :class:`chalicelib.ports.JobReceiver`.

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
        self._swept = False
        self._scripts = {text: client.register_script(text) for text in _SCRIPTS}

    def receive(self, *, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        """Expired messages first, then new ones; returns early with whatever there is. Raises RetryLater."""
        deadline = time.monotonic() + wait_seconds
        with _retry_later("receive"):
            while True:
                deliveries = self._deliverable(self._take(limit, deadline))
                if deliveries or time.monotonic() >= deadline:
                    return deliveries

    def acknowledge(self, delivery: Delivery) -> None:
        """Remove the message, unless it was meanwhile handed to another. Raises RetryLater."""
        with _retry_later(f"acknowledge job {delivery.job_id}"):
            self._if_held(_ACKNOWLEDGE, delivery)

    def extend(self, delivery: Delivery) -> None:
        """Start the visibility timeout anew, unless the message is another's by now. Raises RetryLater."""
        with _retry_later(f"extend the lease on job {delivery.job_id}"):
            self._if_held(_HIDE, delivery, self._consumer, self._visibility_ms)

    def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        """Give the message back, unless it is another's by now. Raises RetryLater."""
        with _retry_later(f"give job {delivery.job_id} back"):
            self._if_held(_HIDE, delivery, RETURNED, max(0, round(delay_seconds * 1000)))

    def close(self) -> None:
        """Leave the group. What is still held stays pending, and others get it in time. Raises RetryLater."""
        with _retry_later("leave the consumer group"):
            self._sweep(leaving=self._consumer)

    def _take(self, limit: int, deadline: float) -> list[_Entry]:
        try:
            return self._take_once(limit, deadline)
        except ResponseError as error:
            if not _group_is_missing(error):
                raise
        self._create_group()
        return self._take_once(limit, deadline)

    def _take_once(self, limit: int, deadline: float) -> list[_Entry]:
        if not self._swept:
            self._sweep()
            self._swept = True
        return self._claim_expired(limit) or self._read_new(limit, self._block_ms(deadline))

    def _claim_expired(self, limit: int) -> list[_Entry]:
        reason = f"handed out {self.max_deliveries} times and never acknowledged"
        taken = self._run(_CLAIM, limit, self.max_deliveries, reason, RETURNED)
        return [
            _Entry(entry_id, deliveries, dict(zip(flat[::2], flat[1::2], strict=True)))
            for entry_id, deliveries, flat in taken
        ]

    def _read_new(self, limit: int, block_ms: int | None) -> list[_Entry]:
        reply = self._client.xreadgroup(
            GROUP, self._consumer, {self._stream: ">"}, count=limit, block=block_ms
        )
        return list(_new_entries(reply))

    def _block_ms(self, deadline: float) -> int | None:
        """How long to block: within the wait, and well within the client's own socket timeout.

        None means not at all. (To Redis, ``BLOCK 0`` means for ever.)
        """
        socket_timeout = self._client.get_connection_kwargs().get("socket_timeout") or POLL_SECONDS * 2
        seconds = min(deadline - time.monotonic(), POLL_SECONDS, socket_timeout / 2)
        return int(seconds * 1000) if seconds >= 0.001 else None

    def _deliverable(self, entries: Sequence[_Entry]) -> list[Delivery]:
        """The entries that name a job; the others go to the dead letters."""
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
            self._run(_BURY, entry.id, entry.deliveries, "not a job's id")
        except RedisError:  # must not cost the good messages beside it; it comes again
            logger.exception("dead letter not written", extra={"message_id": entry.id})

    def _if_held(self, script: str, delivery: Delivery, *args: str | int) -> None:
        try:
            held = self._run(script, delivery.receipt, delivery.deliveries, *args)
        except ResponseError as error:
            if not _group_is_missing(error):
                raise
            held = 0
        if not held:
            logger.warning("message is held by another or gone", extra={"job_id": str(delivery.job_id)})

    def _sweep(self, *, leaving: str = "") -> None:
        try:
            self._run(_SWEEP, self._visibility_ms * GONE_AFTER_TIMEOUTS, leaving)
        except ResponseError as error:
            if not _group_is_missing(error) and "no such key" not in str(error):
                raise

    def _create_group(self) -> None:
        """From the stream's first entry, as what is done is deleted: whatever is there is still to do."""
        try:
            self._client.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):  # another was faster
                raise

    def _run(self, script: str, *args: str | int) -> Any:
        keys = [self._stream, f"{self._stream}:dead", f"{self._stream}:delayed"]
        return self._scripts[script](keys, [GROUP, self._consumer, self._visibility_ms, *args])


_SCRIPTS = (_CLAIM, _ACKNOWLEDGE, _HIDE, _BURY, _SWEEP)

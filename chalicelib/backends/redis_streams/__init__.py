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

from chalicelib.backends.redis_streams.queue import GROUP, RETURNED, RedisReceiver, RedisSender

__all__ = ["GROUP", "RETURNED", "RedisReceiver", "RedisSender"]

"""The job queue on Redis Streams: a consumer group whose pending entries are the leases.

An entry is ``{"job_id": "<uuid>"}``. The group's list of pending entries holds, for every delivered message,
its consumer, how long it has been idle and how often it was delivered:

- a message that is idle for longer than the visibility timeout may be redelivered (XAUTOCLAIM);
- a receiver that holds it longer, or gives it back, sets its idle time (XCLAIM … IDLE … JUSTID does not count
  as a delivery);
- a receiver proves that it holds a message by its name together with the number of the delivery, so that a
  late call changes nothing.

Anything that takes more than one command is a Lua script, because Redis runs scripts atomically. The rules
are those of redis.io's command pages XREADGROUP, XAUTOCLAIM, XCLAIM, XPENDING and XINFO CONSUMERS, from Redis
6.2 on. On a Redis Cluster the stream's name needs a hash tag (``{sluice}:jobs``), so that its keys live
together.
"""

from chalicelib.backends.redis_streams.queue import GROUP, RETURNED, RedisReceiver, RedisSender

__all__ = ["GROUP", "RETURNED", "RedisReceiver", "RedisSender"]

"""What the Redis Streams queue promises beyond the contract: who holds what, lost groups, gone consumers."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
import redis

from chalicelib.backends.redis_streams import GROUP, RETURNED, RedisReceiver
from chalicelib.core.errors import RetryLater
from chalicelib.core.messages import Delivery
from tests.support.queue_kinds import LONG, MAX_DELIVERIES, RedisQueue
from tests.support.waiting import PATIENCE

SHORT = 0.05  # seconds


@pytest.fixture
def queue(services: Mapping[str, str]) -> Iterator[RedisQueue]:
    made = RedisQueue(services["REDIS_URL"])
    yield made
    made.delete()


def receive_one(receiver: RedisReceiver) -> Delivery:
    [delivery] = receiver.receive(limit=1, wait_seconds=PATIENCE)
    return delivery


def consumers(queue: RedisQueue) -> set[str]:
    found: Any = queue.client.xinfo_consumers(queue.stream, GROUP)
    return {consumer["name"].decode() for consumer in found}


class TestWhoHoldsIt:
    """A delivery that was handed out again is worth nothing to the one who had it before."""

    @pytest.fixture
    def taken_over(self, queue: RedisQueue) -> tuple[RedisReceiver, Delivery, RedisReceiver, Delivery]:
        queue.sender().send(uuid4())
        zombie, holder = queue.receiver(visibility=LONG), queue.receiver(visibility=LONG)
        stale = receive_one(zombie)
        queue.expire(stale)
        return zombie, stale, holder, receive_one(holder)

    @pytest.mark.parametrize("same_consumer", [False, True])
    def test_a_stale_delivery_changes_nothing(
        self, queue: RedisQueue, taken_over: Any, *, same_consumer: bool
    ) -> None:
        zombie, stale, holder, delivery = taken_over
        late = holder if same_consumer else zombie
        time.sleep(0.02)
        late.acknowledge(stale)
        late.extend(stale)
        late.retry(stale, delay_seconds=0)
        pending = queue.pending(delivery.receipt)
        assert pending["time_since_delivered"] >= 20
        assert (pending["consumer"].decode(), pending["times_delivered"]) == ("consumer-2", 2)
        holder.acknowledge(delivery)
        assert queue.is_empty()

    def test_a_late_heartbeat_does_not_hold_a_message_that_was_given_back(self, queue: RedisQueue) -> None:
        queue.sender().send(uuid4())
        receiver = queue.receiver(visibility=LONG)
        delivery = receive_one(receiver)
        receiver.retry(delivery, delay_seconds=0)
        receiver.extend(delivery)
        assert receive_one(receiver).deliveries == 2


class TestWhatIsWritten:
    def test_a_dead_letter_says_what_it_was_and_why(self, queue: RedisQueue) -> None:
        queue.sender().send(job_id := uuid4())
        receiver = queue.receiver(visibility=LONG)
        for _ in range(MAX_DELIVERIES):
            delivery = receive_one(receiver)
            receiver.retry(delivery, delay_seconds=0)
        receiver.receive(limit=1, wait_seconds=0)
        assert queue.dead_entries() == [
            {
                "id": delivery.receipt,
                "reason": f"delivered {MAX_DELIVERIES} times and never acknowledged",
                "deliveries": str(MAX_DELIVERIES),
                "message": json.dumps({"job_id": str(job_id)}, separators=(",", ":")),
            }
        ]

    def test_a_dead_letter_keeps_a_malformed_message_of_any_bytes(self, queue: RedisQueue) -> None:
        queue.client.xadd(queue.stream, {b"\xff": b"\xfe", "n": 1})
        assert queue.receiver().receive(limit=1, wait_seconds=0) == []
        entries: Any = queue.client.xrange(f"{queue.stream}:dead")
        [(_, fields)] = entries
        assert fields[b"reason"] == b"not a job's id"
        assert b'"\xff":"\xfe"' in fields[b"message"]

    def test_no_key_but_the_stream_is_left_when_all_messages_are_acknowledged(
        self, queue: RedisQueue
    ) -> None:
        queue.sender().send(uuid4())
        receiver = queue.receiver(visibility=SHORT)
        receiver.retry(receive_one(receiver), delay_seconds=2 * SHORT)
        assert queue.client.hlen(f"{queue.stream}:delayed") == 1
        receiver.acknowledge(receive_one(receiver))
        assert queue.client.keys(f"{queue.stream}*") == [queue.stream.encode()]
        assert queue.is_empty()

    def test_an_entry_deleted_by_hand_is_forgotten(self, queue: RedisQueue) -> None:
        """Redis 6.2 keeps such an entry pending for ever."""
        queue.sender().send(uuid4())
        receiver = queue.receiver(visibility=SHORT)
        delivery = receive_one(receiver)
        receiver.retry(delivery, delay_seconds=2 * SHORT)
        queue.client.xdel(queue.stream, delivery.receipt)
        time.sleep(3 * SHORT)
        queue.sender().send(job_id := uuid4())
        assert receive_one(receiver).job_id == job_id
        pending: Any = queue.client.xpending(queue.stream, GROUP)
        assert pending["pending"] == 1
        assert queue.client.exists(f"{queue.stream}:delayed") == 0


class TestLostData:
    """A Redis that was flushed or came back empty is a new queue, not an error."""

    def test_a_receiver_works_again_after_a_flush(self, queue: RedisQueue) -> None:
        receiver = queue.receiver(visibility=LONG)
        queue.sender().send(uuid4())
        delivery = receive_one(receiver)
        queue.client.delete(queue.stream)
        queue.client.script_flush()
        receiver.acknowledge(delivery)
        receiver.extend(delivery)
        receiver.retry(delivery, delay_seconds=0)
        receiver.close()
        assert receiver.receive(limit=1, wait_seconds=0) == []
        queue.sender().send(job_id := uuid4())
        assert receive_one(receiver).job_id == job_id

    def test_a_flush_while_a_receiver_waits_loses_no_later_message(self, queue: RedisQueue) -> None:
        receiver, job_id = queue.receiver(), uuid4()
        receiver.receive(limit=1, wait_seconds=0)

        def lose_and_send() -> None:
            queue.client.delete(queue.stream)
            queue.sender().send(job_id)

        timer = threading.Timer(0.2, lose_and_send)
        timer.start()
        assert receive_one(receiver).job_id == job_id
        timer.join()

    def test_a_lost_group_alone_loses_no_message(self, queue: RedisQueue) -> None:
        queue.sender().send(job_id := uuid4())
        receiver = queue.receiver(visibility=LONG)
        receive_one(receiver)
        queue.client.xgroup_destroy(queue.stream, GROUP)
        assert receive_one(receiver).job_id == job_id

    def test_two_receivers_may_recreate_the_group_at_once(self, queue: RedisQueue) -> None:
        for _ in range(2):
            queue.receiver()._create_group()
        queue.sender().send(job_id := uuid4())
        assert receive_one(queue.receiver()).job_id == job_id

    def test_a_key_of_another_type_is_reported(self, queue: RedisQueue) -> None:
        queue.client.set(queue.stream, "x")
        with pytest.raises(RetryLater, match=r"could not receive: .*WRONGTYPE"):
            queue.receiver().receive(limit=1, wait_seconds=0)
        with pytest.raises(RetryLater, match=r"could not send job .*WRONGTYPE"):
            queue.sender().send(uuid4())


class TestConsumers:
    def test_closing_leaves_the_group(self, queue: RedisQueue) -> None:
        queue.sender().send(uuid4())
        receiver = queue.receiver(visibility=LONG)
        receiver.acknowledge(receive_one(receiver))
        assert consumers(queue) == {"consumer-1"}
        receiver.close()
        assert consumers(queue) == set()
        receiver.close()

    def test_closing_after_giving_every_message_back_leaves_the_group(self, queue: RedisQueue) -> None:
        queue.sender().send(job_id := uuid4())
        receiver = queue.receiver(visibility=LONG)
        receiver.retry(receive_one(receiver), delay_seconds=0)
        receiver.close()
        assert consumers(queue) == {RETURNED}
        assert receive_one(queue.receiver(visibility=LONG)).job_id == job_id

    def test_closing_does_not_lose_a_held_message(self, queue: RedisQueue) -> None:
        queue.sender().send(job_id := uuid4())
        receiver = queue.receiver(visibility=LONG)
        delivery = receive_one(receiver)
        receiver.close()
        queue.expire(delivery)
        assert receive_one(queue.receiver(visibility=LONG)).job_id == job_id

    def test_a_new_receiver_removes_idle_consumers(self, queue: RedisQueue) -> None:
        for _ in range(2):
            queue.sender().send(uuid4())
        receive_one(queue.receiver(visibility=LONG))  # crashes with a message in its hands
        crashes_later = queue.receiver(visibility=LONG)
        crashes_later.acknowledge(receive_one(crashes_later))
        time.sleep(11 * SHORT)
        queue.receiver(visibility=LONG).receive(limit=1, wait_seconds=0)
        assert consumers(queue) == {"consumer-1", "consumer-2"}, "silent, but not for long enough"
        queue.receiver(visibility=SHORT)._remove_consumers()  # a receive would claim the message
        assert consumers(queue) == {"consumer-1"}

    def test_removing_a_consumer_that_waits_loses_no_message(self, queue: RedisQueue) -> None:
        queue.sender().send(uuid4())
        waiting = queue.receiver(visibility=LONG)
        waiting.acknowledge(receive_one(waiting))

        def remove_and_send() -> None:
            queue.client.xgroup_delconsumer(queue.stream, GROUP, "consumer-1")
            queue.sender().send(uuid4())

        timer = threading.Timer(0.2, remove_and_send)
        timer.start()
        delivery = receive_one(waiting)
        timer.join()
        waiting.acknowledge(delivery)
        assert queue.is_empty()


class TestClients:
    @pytest.mark.parametrize("protocol", [2, 3])
    @pytest.mark.parametrize("decode", [False, True])
    @pytest.mark.parametrize("legacy", [False, True])
    def test_replies_of_any_client_configuration_are_understood(
        self, queue: RedisQueue, services: Mapping[str, str], *, protocol: int, decode: bool, legacy: bool
    ) -> None:
        options: dict[str, Any] = {
            "protocol": protocol,
            "decode_responses": decode,
            "legacy_responses": legacy,
        }
        with redis.Redis.from_url(services["REDIS_URL"], **options) as client:
            receiver = queue.receiver(visibility=LONG, client=client)
            queue.sender().send(job_id := uuid4())
            delivery = receive_one(receiver)
            receiver.retry(delivery, delay_seconds=0)
            delivery = receive_one(receiver)
            assert (delivery.job_id, delivery.deliveries) == (job_id, 2)
            receiver.acknowledge(delivery)
        assert queue.is_empty()

    def test_a_wait_longer_than_the_socket_timeout_is_no_error(
        self, queue: RedisQueue, services: Mapping[str, str]
    ) -> None:
        with redis.Redis.from_url(services["REDIS_URL"], socket_timeout=2) as client:
            receiver = queue.receiver(client=client)
            began = time.monotonic()
            assert receiver.receive(limit=1, wait_seconds=3) == []
            assert 2.9 < time.monotonic() - began < PATIENCE

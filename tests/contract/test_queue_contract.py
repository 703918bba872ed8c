"""What every queue must do, whichever it is: one suite, run against real SQS and real Redis Streams.

At least once; a message is with one receiver at a time, for as long as its visibility timeout lasts;
hand-outs are counted; after ``MAX_DELIVERIES`` of them a message goes to the dead letters.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test

from chalicelib.core.errors import RetryLater
from chalicelib.core.messages import Delivery
from chalicelib.service.queue import JobReceiver
from tests.support.queue_kinds import (
    KINDS,
    LONG,
    MAX_DELIVERIES,
    VISIBILITY,
    Queue,
    make_queue,
    unreachable_queue,
)
from tests.support.waiting import PATIENCE, wait_for

NO_JOBS_ID = ("no JSON", "[]", "1", '{"job": "x"}', '{"job_id": 7}', '{"job_id": "no uuid"}', "[" * 50_000)


@pytest.fixture(params=KINDS)
def queue(request: pytest.FixtureRequest, services: Mapping[str, str]) -> Iterator[Queue]:
    made = make_queue(request.param, services)
    yield made
    made.delete()


def receive_all(receiver: JobReceiver, count: int) -> list[Delivery]:
    """Receive until there are ``count`` messages; fails the test if they do not come."""
    got: list[Delivery] = []

    def all_came() -> bool:
        if len(got) < count:
            got.extend(receiver.receive(limit=10, wait_seconds=1))
        return len(got) >= count

    wait_for(all_came, lambda: f"{len(got)} of {count} messages came")
    assert len(got) == count
    return got


def receive_one(receiver: JobReceiver) -> Delivery:
    return receive_all(receiver, 1)[0]


class TestSendAndReceive:
    def test_every_message_arrives_once(self, queue: Queue) -> None:
        sent = [uuid4() for _ in range(25)]
        for job_id in sent:
            queue.sender().send(job_id)
        got = receive_all(queue.receiver(visibility=LONG), len(sent))
        assert sorted(delivery.job_id for delivery in got) == sorted(sent)
        assert {delivery.deliveries for delivery in got} == {1}

    def test_a_job_sent_in_copies_arrives_as_often(self, queue: Queue) -> None:
        queue.sender().send(job_id := uuid4(), copies=23)
        got = receive_all(queue.receiver(visibility=LONG), 23)
        assert [delivery.job_id for delivery in got] == [job_id] * 23
        assert len({delivery.receipt for delivery in got}) == 23

    def test_a_receive_returns_no_more_than_the_limit(self, queue: Queue) -> None:
        for _ in range(3):
            queue.sender().send(uuid4())
        assert len(queue.receiver(visibility=LONG).receive(limit=2, wait_seconds=1)) <= 2

    def test_a_message_sent_while_waiting_ends_the_wait(self, queue: Queue) -> None:
        receiver, job_id = queue.receiver(), uuid4()
        receiver.receive(limit=1, wait_seconds=0)
        timer = threading.Timer(0.3, queue.sender().send, [job_id])
        timer.start()
        began = time.monotonic()
        got = receiver.receive(limit=1, wait_seconds=20)
        timer.join()
        assert [delivery.job_id for delivery in got] == [job_id]
        assert time.monotonic() - began < 20

    @pytest.mark.parametrize("wait", [0, 0.2, 1])
    def test_an_empty_queue_gives_nothing_within_the_wait(self, queue: Queue, wait: float) -> None:
        receiver = queue.receiver()
        receiver.receive(limit=1, wait_seconds=0)  # connects
        began = time.monotonic()
        assert receiver.receive(limit=1, wait_seconds=wait) == []
        assert int(wait) - 0.1 < time.monotonic() - began < wait + PATIENCE

    def test_a_second_receive_does_not_give_what_is_held(self, queue: Queue) -> None:
        receiver = queue.receiver(visibility=LONG)
        for _ in range(2):
            queue.sender().send(uuid4())
        first = receive_all(receiver, 2)
        assert receiver.receive(limit=10, wait_seconds=0) == []
        for delivery in first:
            receiver.acknowledge(delivery)
        assert queue.is_empty()

    def test_a_reachable_queue_answers_a_ping(self, queue: Queue) -> None:
        queue.sender().ping()


class TestAcknowledge:
    def test_an_acknowledged_message_is_gone(self, queue: Queue) -> None:
        queue.sender().send(uuid4())
        receiver = queue.receiver()
        receiver.acknowledge(receive_one(receiver))
        assert queue.is_empty()
        assert receiver.receive(limit=1, wait_seconds=VISIBILITY + 0.2) == []
        assert queue.dead_letters() == []

    def test_acknowledging_is_idempotent(self, queue: Queue) -> None:
        queue.sender().send(uuid4())
        receiver = queue.receiver(visibility=LONG)
        delivery = receive_one(receiver)
        receiver.acknowledge(delivery)
        receiver.acknowledge(delivery)
        receiver.extend(delivery)
        receiver.retry(delivery, delay_seconds=0)
        assert receiver.receive(limit=1, wait_seconds=0) == []


class TestVisibilityTimeout:
    def test_an_unacknowledged_message_comes_back_counted(self, queue: Queue) -> None:
        queue.sender().send(job_id := uuid4())
        receiver = queue.receiver()
        for deliveries in (1, 2):
            delivery = receive_one(receiver)
            assert (delivery.job_id, delivery.deliveries) == (job_id, deliveries)

    def test_a_message_stays_hidden_until_the_timeout(self, queue: Queue) -> None:
        queue.sender().send(uuid4())
        receiver = queue.receiver(visibility=2)
        began = time.monotonic()  # before the first delivery: the timeout runs from within it
        receive_one(receiver)
        receive_one(receiver)
        assert time.monotonic() - began > 1.5

    def test_extending_keeps_it_hidden_and_uncounted(self, queue: Queue) -> None:
        queue.sender().send(uuid4())
        visibility = 5.0  # seconds, which no step of the loop takes even on a busy machine
        holder, other = queue.receiver(visibility=visibility), queue.receiver(visibility=visibility)
        delivery = receive_one(holder)
        began = time.monotonic()
        while time.monotonic() - began < visibility + 1:
            holder.extend(delivery)
            assert other.receive(limit=1, wait_seconds=0) == []
            time.sleep(0.2)
        queue.expire(delivery)
        assert receive_one(other).deliveries == 2

    def test_a_crashed_consumers_message_goes_to_another(self, queue: Queue) -> None:
        queue.sender().send(job_id := uuid4())
        receive_one(queue.receiver())
        delivery = receive_one(queue.receiver())
        assert (delivery.job_id, delivery.deliveries) == (job_id, 2)

    def test_held_messages_do_not_hide_an_expired_one(self, queue: Queue) -> None:
        """XAUTOCLAIM looks at ten pending entries for each it is asked for, from the oldest on."""
        for _ in range(25):
            queue.sender().send(uuid4())
        holder = queue.receiver(visibility=LONG)
        *_, last = sorted(receive_all(holder, 25), key=lambda delivery: delivery.receipt)
        queue.expire(last)
        [delivery] = queue.receiver(visibility=LONG).receive(limit=1, wait_seconds=20)
        assert (delivery.job_id, delivery.deliveries) == (last.job_id, 2)

    def test_acknowledging_after_the_timeout_counts_if_the_message_was_not_redelivered(
        self, queue: Queue
    ) -> None:
        queue.sender().send(uuid4())
        receiver = queue.receiver(visibility=LONG)
        delivery = receive_one(receiver)
        queue.expire(delivery)
        receiver.acknowledge(delivery)
        assert queue.is_empty()


class TestRetry:
    def test_a_message_retried_without_a_delay_comes_back_at_once(self, queue: Queue) -> None:
        queue.sender().send(job_id := uuid4())
        receiver = queue.receiver(visibility=LONG)
        receiver.retry(receive_one(receiver), delay_seconds=0)
        delivery = receive_one(receiver)
        assert (delivery.job_id, delivery.deliveries) == (job_id, 2)

    @pytest.mark.parametrize(("visibility", "delay"), [(VISIBILITY, 2), (LONG, 1)], ids=["beyond", "within"])
    def test_a_message_retried_with_a_delay_comes_back_after_it(
        self, queue: Queue, visibility: float, delay: float
    ) -> None:
        """The delay and the visibility timeout have nothing to do with each other."""
        queue.sender().send(uuid4())
        receiver = queue.receiver(visibility=visibility)
        delivery = receive_one(receiver)
        began = time.monotonic()
        receiver.retry(delivery, delay_seconds=delay)
        assert receive_one(receiver).deliveries == 2
        assert delay - 0.5 < time.monotonic() - began < LONG

    def test_a_retried_message_may_go_to_another_receiver(self, queue: Queue) -> None:
        queue.sender().send(job_id := uuid4())
        first, second = queue.receiver(visibility=LONG), queue.receiver(visibility=LONG)
        first.retry(receive_one(first), delay_seconds=0)
        assert receive_one(second).job_id == job_id


class TestDeadLetters:
    def test_after_its_last_delivery_a_message_becomes_a_dead_letter(self, queue: Queue) -> None:
        queue.sender().send(job_id := uuid4())
        receiver = queue.receiver(visibility=LONG)
        for deliveries in range(1, MAX_DELIVERIES + 1):
            delivery = receive_one(receiver)
            assert delivery.deliveries == deliveries
            receiver.retry(delivery, delay_seconds=0)
        assert receiver.receive(limit=1, wait_seconds=0) == []
        wait_for(lambda: len(queue.dead_letters()) == 1)
        assert UUID(json.loads(queue.dead_letters()[0])["job_id"]) == job_id
        assert receiver.receive(limit=1, wait_seconds=1) == []
        assert queue.is_empty()

    def test_a_message_whose_workers_always_crash_becomes_a_dead_letter(self, queue: Queue) -> None:
        queue.sender().send(uuid4())
        for _ in range(MAX_DELIVERIES):
            queue.expire(receive_one(queue.receiver(visibility=LONG)))
        assert queue.receiver().receive(limit=1, wait_seconds=1) == []
        wait_for(lambda: len(queue.dead_letters()) == 1)

    def test_a_body_that_is_not_a_jobs_id_becomes_a_dead_letter_at_once(self, queue: Queue) -> None:
        for body in NO_JOBS_ID:
            queue.put_raw(body)
        queue.sender().send(job_id := uuid4())
        receiver = queue.receiver(visibility=LONG)
        delivery = receive_one(receiver)
        assert delivery.job_id == job_id
        wait_for(lambda: sorted(queue.dead_letters()) == sorted(NO_JOBS_ID))
        receiver.acknowledge(delivery)
        assert queue.is_empty()


class TestManyReceivers:
    def test_no_two_hold_a_message_at_once(self, queue: Queue) -> None:
        """Four threads fight for 40 messages; half of the hand-outs are given back."""
        sent = {uuid4() for _ in range(40)}
        for job_id in sent:
            queue.sender().send(job_id)
        held: set[UUID] = set()
        done: list[UUID] = []
        clashes: list[UUID] = []
        lock = threading.Lock()

        def work(receiver: JobReceiver) -> None:
            deadline = time.monotonic() + PATIENCE
            while len(done) < len(sent) and time.monotonic() < deadline:
                for delivery in receiver.receive(limit=3, wait_seconds=0):
                    with lock:
                        clashes.extend(held & {delivery.job_id})
                        held.add(delivery.job_id)
                    time.sleep(0.002)
                    with lock:  # before the message is given up: afterwards another may hold it
                        held.discard(delivery.job_id)
                    if delivery.deliveries == 1 and delivery.job_id.int % 2:
                        receiver.retry(delivery, delay_seconds=0)
                    else:
                        receiver.acknowledge(delivery)
                        done.append(delivery.job_id)

        threads = [threading.Thread(target=work, args=[queue.receiver(visibility=LONG)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert clashes == []
        assert sorted(done) == sorted(sent)
        assert queue.is_empty()


class TestUnreachable:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_call_to_an_unreachable_queue_raises_retry_later(self, kind: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            nowhere = unreachable_queue(kind, probe.getsockname()[1])
        receiver, delivery = nowhere.receiver(), Delivery(uuid4(), "1-1", 1)
        calls: list[Callable[[], object]] = [
            lambda: nowhere.sender().send(delivery.job_id),
            lambda: nowhere.sender().ping(),
            lambda: receiver.receive(limit=1, wait_seconds=0),
            lambda: receiver.acknowledge(delivery),
            lambda: receiver.extend(delivery),
            lambda: receiver.retry(delivery, delay_seconds=0),
        ]
        for call in calls:
            with pytest.raises(RetryLater, match=r"^(SQS|Redis): could not .*127\.0\.0\.1"):
                call()


class QueueMachine(RuleBasedStateMachine):
    """Any order of sends, hand-outs, acknowledgements, returns and expiries, against a dict of counts."""

    make: Callable[[], Queue]  # set by the test
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.queue = type(self).make()
        self.receivers = [self.queue.receiver(visibility=LONG) for _ in range(2)]
        self.waiting: dict[UUID, int] = {}  # job: how often handed out
        self.out: dict[UUID, int] = {}
        self.dead: list[UUID] = []

    @rule()
    def send(self) -> None:
        job_id = uuid4()
        self.queue.sender().send(job_id)
        self.waiting[job_id] = 0

    @rule(target=held, who=st.integers(0, 1), times=st.integers(1, 3))
    def receive(self, who: int, times: int) -> tuple[int, list[Delivery]]:
        got: list[Delivery] = []
        for _ in range(times):
            got += self.receivers[who].receive(limit=3, wait_seconds=0)
        for delivery in got:
            assert delivery.deliveries == self.waiting.pop(delivery.job_id) + 1
            self.out[delivery.job_id] = delivery.deliveries
        return who, got

    @rule(batch=consumes(held))
    def acknowledge(self, batch: tuple[int, list[Delivery]]) -> None:
        for delivery in batch[1]:
            self.receivers[batch[0]].acknowledge(delivery)
            del self.out[delivery.job_id]

    @rule(batch=consumes(held), crash=st.booleans())
    def give_back(self, batch: tuple[int, list[Delivery]], *, crash: bool) -> None:
        for delivery in batch[1]:
            if crash:
                self.queue.expire(delivery)
            else:
                self.receivers[batch[0]].retry(delivery, delay_seconds=0)
            count = self.out.pop(delivery.job_id)
            if count < MAX_DELIVERIES:
                self.waiting[delivery.job_id] = count
            else:
                self.dead.append(delivery.job_id)

    @rule(batch=held)
    def extend(self, batch: tuple[int, list[Delivery]]) -> None:
        for delivery in batch[1]:
            self.receivers[batch[0]].extend(delivery)

    def _dead(self) -> list[UUID]:
        return [UUID(json.loads(body)["job_id"]) for body in self.queue.dead_letters()]

    def teardown(self) -> None:
        try:
            self._drain()
        finally:
            self.queue.delete()

    def _drain(self) -> None:
        """What should be waiting comes, what should be dead is, and nothing else."""
        for delivery in receive_all(self.receivers[0], len(self.waiting)):
            assert self.waiting.pop(delivery.job_id) == delivery.deliveries - 1
        for _ in self.dead:  # a message dies when it would be handed out once more
            assert self.receivers[0].receive(limit=10, wait_seconds=0) == []
        wait_for(lambda: sorted(self._dead()) == sorted(self.dead))


@pytest.mark.parametrize("kind", KINDS)
def test_any_order_of_events_agrees_with_the_model(kind: str, services: Mapping[str, str]) -> None:
    class Machine(QueueMachine):
        make = staticmethod(lambda: make_queue(kind, services))

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )

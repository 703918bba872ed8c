"""Messages are taken and acknowledged together, and none is lost or kept for long."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from chalicelib.core.errors import RetryLater
from chalicelib.core.messages import Delivery
from chalicelib.service.shared_receiver import MOST, SharedReceiver
from tests.support.fakes import MemoryQueue
from tests.support.waiting import wait_for


@dataclass
class CountingQueue(MemoryQueue):
    """Counts requests; an empty queue is waited for until ``released``."""

    limits: list[int] = field(default_factory=list)  # of the receives
    sizes: list[int] = field(default_factory=list)  # of the acknowledgements
    released: threading.Event = field(default_factory=threading.Event)

    def receive(self, *, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        self.limits.append(limit)
        if not self.waiting and wait_seconds:
            self.released.wait(60)
        return super().receive(limit=limit, wait_seconds=wait_seconds)

    def acknowledge(self, *deliveries: Delivery) -> None:
        self.ping()
        self.sizes.append(len(deliveries))
        super().acknowledge(*deliveries)


@dataclass
class World:
    queue: CountingQueue = field(default_factory=CountingQueue)
    checks: int = 0
    keep_seconds: float = 60

    def __post_init__(self) -> None:
        self.receiver = SharedReceiver(self.queue, self._check, keep_seconds=self.keep_seconds)

    def _check(self) -> None:
        self.checks += 1

    def send(self, count: int) -> None:
        for _ in range(count):
            self.queue.send(uuid4())

    def take(self) -> Sequence[Delivery]:
        return self.receiver.receive(wait_seconds=0)


def test_many_short_jobs_take_few_requests() -> None:
    world = World()
    world.send(100)
    while taken := world.take():
        world.receiver.acknowledge(*taken)
    world.receiver.tend()
    assert len(world.queue.acknowledged) == 100
    assert len(world.queue.limits) <= 20
    assert len(world.queue.sizes) <= 20
    assert world.checks == 1  # the database was in use all the time


def test_a_slot_takes_only_its_own_message_when_no_job_has_ended() -> None:
    world = World()
    world.send(3)
    for _ in range(3):
        assert len(world.take()) == 1
    assert world.queue.limits == [1, 1, 1]
    assert world.checks == 3


def test_a_slot_asks_for_all_that_wait() -> None:
    world = World()
    taken: list[Delivery] = []
    slots = [
        threading.Thread(target=lambda: taken.extend(world.receiver.receive(wait_seconds=60)))
        for _ in range(4)
    ]
    slots[0].start()
    wait_for(lambda: world.queue.limits == [1])  # it asks alone, and has to wait
    for slot in slots[1:]:
        slot.start()
    wait_for(lambda: world.receiver._waiting == 4)
    world.send(1)
    world.queue.released.set()
    for slot in slots:
        slot.join(60)
    # when its wait was over, so was that of the others: they look first whether to stop
    assert (len(taken), world.queue.limits) == (1, [1])


def test_what_was_handled_is_acknowledged_before_the_queue_is_asked_again() -> None:
    world = World()
    world.send(1)
    world.receiver.acknowledge(*world.take())
    assert not world.queue.acknowledged
    world.take()
    assert len(world.queue.acknowledged) == 1


def test_as_many_as_a_request_takes_are_acknowledged_at_once() -> None:
    world = World()
    world.send(MOST)
    deliveries = world.queue.receive(limit=MOST, wait_seconds=0)
    for delivery in deliveries:
        world.receiver.acknowledge(delivery)
    assert world.queue.sizes == [MOST]


def test_messages_that_find_no_slot_are_given_back() -> None:
    world = World(keep_seconds=0)
    world.send(9)
    world.receiver.acknowledge(*world.take(), *world.take())
    (first,) = world.take()  # and two more are kept: two jobs have just ended
    world.receiver.tend()
    assert len(world.queue.returned) == 2
    assert first not in [delivery for delivery, _ in world.queue.returned]
    assert {delay for _, delay in world.queue.returned} == {0}
    assert len(world.queue.waiting) == 4


def test_messages_are_kept_while_they_may_find_a_slot() -> None:
    world = World()
    world.send(9)
    world.receiver.acknowledge(*world.take(), *world.take())
    world.take()
    world.receiver.tend()
    assert not world.queue.returned


def test_a_worker_that_stops_gives_everything_back() -> None:
    world = World()
    world.send(9)
    world.receiver.acknowledge(*world.take(), *world.take())
    world.take()
    world.receiver.tend(is_stopping=True)
    assert (len(world.queue.acknowledged), len(world.queue.returned)) == (2, 2)
    world.receiver.close()


def test_no_message_is_taken_while_the_database_is_away() -> None:
    def away() -> None:
        raise RetryLater("away")

    queue = CountingQueue()
    queue.send(uuid4())
    with pytest.raises(RetryLater):
        SharedReceiver(queue, away, keep_seconds=1).receive(wait_seconds=0)
    assert (len(queue.waiting), queue.limits) == (1, [])


def test_an_acknowledgement_that_fails_is_an_error_of_the_queue() -> None:
    world = World()
    world.send(1)
    world.receiver.acknowledge(*world.take())
    world.queue.down = True
    with pytest.raises(RetryLater):
        world.receiver.tend()


def test_a_delivery_is_extended_and_given_back_at_once() -> None:
    world = World()
    world.send(1)
    (delivery,) = world.take()
    world.receiver.extend(delivery)
    world.receiver.retry(delivery, delay_seconds=3)
    assert world.queue.returned == [(delivery, 3)]
    assert world.receiver.max_deliveries == world.queue.max_deliveries

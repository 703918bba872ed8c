"""A job is read again in another way, over ports in memory: from the client's request to the last row."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.errors import JobEnded, RetryLater
from chalicelib.core.jobs import Changes, Claim, Job
from chalicelib.core.lifecycle import Action
from chalicelib.core.messages import Delivery
from chalicelib.core.model import Options, Range, Source, Status
from chalicelib.service.message_handler import MessageHandler, Outcome
from tests.support.fakes import MemoryJobs, MemoryQueue, MemoryStore
from tests.support.jobs import NOW, new_job
from tests.support.workers import new_handler, new_ingester

FILE = b"name|a;b\n" + b"".join(b"n%d|%d;%d\n" % (n, n, n) for n in range(50))


class World:
    """A job that was read with the delimiter `|`, its object, and a worker."""

    def __init__(self, **changes: Any) -> None:
        self.jobs, self.store, self.queue = MemoryJobs(), MemoryStore(FILE), MemoryQueue()
        ingester = new_ingester(self.jobs, self.store, sender=self.queue, loaders=1)
        self.handler: MessageHandler = new_handler(self.jobs, ingester, self.queue, **changes)
        job = self.jobs.put(new_job(arrived_at=NOW, expires_at=NOW, block_size=64))
        self.id = job.id
        self.jobs.put(replace(job, instructions=replace(job.instructions, options=Options(delimiter="|"))))

    @property
    def job(self) -> Job:
        return self.jobs.jobs[self.id]

    @property
    def columns(self) -> tuple[str, ...]:
        assert self.job.reading is not None
        return self.job.reading.dialect.columns

    def work(self) -> int:
        """Handle messages until none is left; return how many there were."""
        self.queue.send(self.id)
        count = 0
        while self.queue.waiting:
            assert (
                self.handler.handle(self.queue.waiting.popleft(), threading.Event()) is Outcome.ACKNOWLEDGED
            )
            count += 1
        return count


@pytest.mark.parametrize(("one_claim", "messages"), [(False, 1), (True, 2)])
def test_one_message_or_two_lead_to_the_second_reading(one_claim: bool, messages: int) -> None:
    world = World(one_claim=one_claim)
    world.work()
    assert (world.job.status, world.columns) == (Status.COMPLETED, ("name", "a;b"))
    before = len(world.jobs.blocks[world.id])
    assert world.jobs.reread(world.id, Changes({"delimiter": ";"})) is not None
    assert world.job.status is Status.UNDOING
    assert world.work() == messages
    assert (world.job.status, world.columns) == (Status.COMPLETED, ("name|a", "b"))
    assert (world.job.reading_no, world.job.outcome.undone_rows) == (2, None)
    assert len(world.jobs.blocks[world.id]) == before
    assert all("name|a" in str(it.rows.to_pylist()) for it in world.jobs.blocks[world.id].values())


def test_an_undo_whose_answer_is_lost_does_not_lose_the_job() -> None:
    world = World()
    world.work()
    world.jobs.reread(world.id, Changes({"delimiter": ";"}))

    class Flaky:
        def undo(self, *args: Any, **named: Any) -> bool:
            world.jobs.undo(*args, **named)
            raise RetryLater("the connection broke after the commit")

    attempts = replace(world.handler.attempts, undo=Flaky())
    delivery = Delivery(world.id, "receipt", 1)
    handler = replace(world.handler, attempts=attempts)
    assert handler.handle(delivery, threading.Event()) is Outcome.KEPT
    assert (world.job.status, world.job.reading) == (Status.PENDING, None)
    world.work()
    assert (world.job.status, world.columns) == (Status.COMPLETED, ("name|a", "b"))


def test_a_range_of_an_earlier_reading_is_given_up() -> None:
    """Its borders are record borders of that reading only."""
    world = World()
    world.work()
    stale = Claim(world.job, "stale", Range(64, 128), 1)
    world.jobs.reread(world.id, Changes({"delimiter": ";"}))
    world.work()
    world.jobs.act(world.id, Action.UNDO)
    world.work()
    world.jobs.act(world.id, Action.RETRY)
    claim = world.jobs.claim(world.id, owner="new", lease_seconds=60)
    assert claim is not None
    with pytest.raises(JobEnded):
        world.handler.attempts.run(stale, lambda: True)
    assert not world.jobs.blocks.get(world.id)
    world.handler.attempts.run(claim, lambda: True)
    assert world.job.status is Status.COMPLETED


@pytest.mark.parametrize("etag", ["e1", "e2"])
def test_a_file_that_was_loaded_is_read_again_from_the_same_object_only(etag: str) -> None:
    world = World()
    world.work()
    world.jobs.reread(world.id, Changes({"delimiter": ";"}))
    world.store.etag = etag
    world.work()
    error = world.job.outcome.error
    assert (world.job.status, error and error.code) == (
        (Status.COMPLETED, None) if etag == "e1" else (Status.FAILED, "source-changed")
    )
    if etag == "e2":  # nothing of it is loaded any more
        world.jobs.act(world.id, Action.RETRY)
        world.work()
        assert (world.job.status, world.columns) == (Status.COMPLETED, ("name|a", "b"))


def test_a_file_that_was_not_loaded_is_looked_at_afresh() -> None:
    world = World()
    world.store.data = b""
    world.work()
    assert (world.job.status, world.job.reading) == (Status.FAILED, None)
    world.store.data, world.store.etag = FILE, "e2"
    asked_for = world.jobs.reread(world.id, Changes({"delimiter": ";"}))
    assert asked_for is not None
    assert asked_for.status is Status.PENDING
    world.work()
    assert (world.job.status, world.columns) == (Status.COMPLETED, ("name|a", "b"))
    assert world.job.source == Source("bucket", world.job.upload.key, "e2", len(FILE))

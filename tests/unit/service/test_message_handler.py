"""What becomes of a message, over ports in memory."""

import json
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.budget import OnFailure
from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import JobEnded, JobFailed, RetryLater
from chalicelib.core.jobs import Claim, Instructions, Job
from chalicelib.core.lifecycle import Action
from chalicelib.core.messages import Delivery
from chalicelib.core.model import Source, Status, Tally
from chalicelib.service import lease
from chalicelib.service.message_handler import Outcome
from tests.support.fakes import FILE, MemoryJobs, MemoryQueue, MemoryStore
from tests.support.jobs import changed, new_job
from tests.support.metrics import written_metrics
from tests.support.waiting import wait_for
from tests.support.workers import new_handler, new_ingester, with_ingester

if TYPE_CHECKING:
    from chalicelib.core.workers import SlotReport


class World:
    """A job, its object, its message, and a worker."""

    def __init__(
        self,
        data: bytes = FILE,
        lease_seconds: float = 30,
        deliveries: int = 1,
        outage_seconds: float = 60,
        **changes: object,
    ) -> None:
        self.jobs, self.store, self.queue = MemoryJobs(), MemoryStore(data), MemoryQueue()
        self.job = self.jobs.put(new_job())
        self.delivery = Delivery(self.job.id, "receipt", deliveries)
        ingester = new_ingester(self.jobs, self.store, sender=self.queue, loaders=1, **changes)
        self.handler = new_handler(
            self.jobs,
            ingester,
            self.queue,
            outage_seconds=outage_seconds,
            lease_seconds=lease_seconds,
            heartbeat_seconds=lease_seconds / 3,
        )
        self.stop = threading.Event()

    def consume(self) -> bool:
        """Handle the message; return whether it was acknowledged, which is what the handler says."""
        before = len(self.queue.acknowledged)
        acknowledged = self.handler.handle(self.delivery, self.stop) is Outcome.ACKNOWLEDGED
        assert acknowledged == (self.queue.acknowledged[before:] == [self.delivery])
        return acknowledged

    @property
    def status(self) -> Status:
        return self.jobs.jobs[self.job.id].status


def test_a_job_is_loaded_and_its_message_acknowledged() -> None:
    world = World()
    world.consume()
    assert world.status is Status.COMPLETED
    assert world.queue.acknowledged == [world.delivery]


def test_a_job_is_previewed_and_waits_whatever_messages_come(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    world.jobs.put(changed(world.job, instructions=Instructions(preview=True)))
    for _ in range(2):
        assert world.consume()
    assert (world.status, world.jobs.jobs[world.job.id].progress.attempts) == (Status.PREVIEWED, 1)
    assert world.jobs.blocks.get(world.job.id) is None
    assert "JobsCompleted" not in {name for metrics, _ in written_metrics(capsys) for name in metrics}
    world.jobs.load(world.job.id, None)
    assert world.consume()
    assert world.status is Status.COMPLETED


def test_a_file_that_cannot_be_read_fails_its_preview() -> None:
    world = World(b"")
    world.jobs.put(changed(world.job, instructions=Instructions(preview=True)))
    world.consume()
    failed = world.jobs.jobs[world.job.id]
    assert failed.outcome.error is not None
    assert (failed.status, failed.outcome.error.code) == (Status.FAILED, "empty-file")


def test_a_duplicate_delivery_changes_nothing() -> None:
    world = World()
    world.consume()
    world.consume()
    assert world.queue.acknowledged == [world.delivery, world.delivery]
    assert world.jobs.jobs[world.job.id].progress.attempts == 1


def test_a_message_of_an_unknown_job_is_acknowledged() -> None:
    world = World()
    world.delivery = Delivery(uuid4(), "receipt", 1)
    world.consume()
    assert world.queue.acknowledged == [world.delivery]


def test_a_duplicate_delivery_of_a_held_job_is_acknowledged() -> None:
    world = World()
    world.jobs.owners[world.job.id] = "another"
    world.consume()
    assert world.queue.acknowledged == [world.delivery]


def test_a_message_redelivered_while_the_job_is_held_is_delayed() -> None:
    world = World(deliveries=2)
    world.jobs.owners[world.job.id] = "another"
    world.consume()
    assert world.queue.returned == [(world.delivery, 30)]
    assert not world.queue.acknowledged


def test_a_message_does_not_become_a_dead_letter_while_its_job_is_held() -> None:
    world = World(deliveries=3)
    world.jobs.owners[world.job.id] = "another"
    world.consume()
    assert world.queue.acknowledged == [world.delivery]


def test_a_file_that_cannot_be_read_fails_its_job() -> None:
    world = World(data=b"PK\x03\x04")
    world.consume()
    assert world.status is Status.FAILED
    assert world.queue.acknowledged == [world.delivery]


def test_a_file_of_rejects_fails_its_job_and_counts_as_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(data=b"a,b\nshort\n")
    world.consume()
    assert world.status is Status.FAILED
    assert world.queue.acknowledged == [world.delivery]
    names = [name for metrics, _ in written_metrics(capsys) for name in metrics]
    assert "JobsFailed" in names
    assert "JobsCompleted" not in names


def test_an_outage_is_retried_with_backoff_while_the_job_is_held() -> None:
    world = World(deliveries=3)
    world.store.errors.extend([RetryLater("S3 is down"), RetryLater("S3 is still down")])
    world.consume()
    assert world.status is Status.COMPLETED
    assert world.jobs.jobs[world.job.id].progress.attempts == 1


def test_a_worker_reports_at_which_job_it_works_and_what_it_waits_for() -> None:
    world = World()
    reports: list[SlotReport] = []

    class Watched(MemoryStore):
        def read(self, source: Source, start: int, end: int) -> bytes:
            reports.extend(world.handler.attempts.activity.reports())
            if len(reports) == 1:
                raise RetryLater("S3 is down", Dependency.STORAGE)
            return super().read(source, start, end)

    world.handler = with_ingester(world.handler, store=Watched(FILE))
    world.consume()
    assert world.status is Status.COMPLETED
    assert {(report.job_id, report.owner.partition("/")[0]) for report in reports} == {(world.job.id, "me")}
    first, second = reports[:2]
    assert first.wait is None
    assert second.wait is not None
    assert (second.wait.dependency, second.wait.message) == (
        Dependency.STORAGE,
        "The bucket does not answer.",
    )
    assert second.idle_seconds < second.seconds  # it has come to places where it may stop
    assert world.handler.attempts.activity.reports() == []


def test_a_long_outage_requeues_the_job_without_counting_an_attempt() -> None:
    world = World(deliveries=3, outage_seconds=0)
    world.store.errors.append(RetryLater("S3 is down"))
    world.consume()
    job = world.jobs.jobs[world.job.id]
    assert (job.status, job.progress.attempts_without_progress) == (Status.PROCESSING, 0)
    assert [it.job_id for it in world.queue.waiting] == [job.id]
    assert world.queue.acknowledged == [world.delivery]
    assert not world.jobs.owners


def test_a_stop_ends_the_backoff() -> None:
    world = World()

    class Down(MemoryStore):
        def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
            world.stop.set()
            raise RetryLater("S3 is down")

    world.handler = with_ingester(world.handler, store=Down(FILE))
    world.consume()
    assert world.queue.acknowledged == [world.delivery]
    assert len(world.queue.waiting) == 1


def test_a_bug_that_meets_a_job_again_and_again_fails_it() -> None:
    world = World(deliveries=3)
    world.jobs.jobs[world.job.id] = changed(world.job, attempts_without_progress=2)
    world.store.errors.append(KeyError("bug"))
    world.consume()
    job = world.jobs.jobs[world.job.id]
    assert (job.status, job.outcome.error and job.outcome.error.code) == (Status.FAILED, "internal-error")
    assert world.queue.acknowledged == [world.delivery]


def rolls_back(world: World, **changes: object) -> None:
    """Let the job have loaded its file, all but the end, and undo that when it fails."""
    world.consume()
    job = changed(world.job, on_failure=OnFailure.UNDO, source=world.jobs.jobs[world.job.id].source)
    reading = world.jobs.jobs[world.job.id].reading
    blocks = world.jobs.blocks[world.job.id]
    del blocks[max(blocks)]
    world.jobs.put(changed(replace(job, reading=reading), status=Status.PROCESSING, **changes))


def test_a_job_with_an_internal_error_is_rolled_back_by_a_message_of_its_own() -> None:
    world = World(deliveries=3)
    rolls_back(world, attempts_without_progress=2)
    world.store.errors.append(KeyError("bug"))
    world.consume()
    job = world.jobs.jobs[world.job.id]
    assert (job.status, job.rolls_back) == (Status.UNDOING, True)
    assert [delivery.job_id for delivery in world.queue.waiting] == [job.id]
    world.delivery = world.queue.waiting.popleft()
    world.consume()
    job = world.jobs.jobs[world.job.id]
    assert (job.status, job.outcome.undone_rows) == (Status.FAILED, world.jobs.tally(job.id).inserted)
    assert job.outcome.error is not None
    assert job.outcome.error.code == "internal-error"
    assert "What was loaded is removed again." in job.outcome.error.message


@pytest.mark.parametrize("one_claim", [False, True])
def test_a_job_that_fails_is_rolled_back_by_the_next_claim(
    one_claim: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()
    rolls_back(world)
    written_metrics(capsys)
    world.handler = replace(world.handler, one_claim=one_claim)
    world.store.errors.append(JobFailed("source-missing", "The object is gone."))
    world.consume()
    if one_claim:
        assert world.jobs.jobs[world.job.id].status is Status.UNDOING
        world.delivery = world.queue.waiting.popleft()
        world.consume()
    job = world.jobs.jobs[world.job.id]
    assert (job.status, job.outcome.undone_rows) == (Status.FAILED, world.jobs.tally(job.id).inserted)
    assert [name for metrics, _ in written_metrics(capsys) for name in metrics].count("JobsFailed") == 1
    assert not world.queue.waiting


def test_a_job_that_killed_all_its_workers_fails_before_the_next() -> None:
    world = World()
    world.jobs.jobs[world.job.id] = changed(world.job, status=Status.PROCESSING, attempts_without_progress=3)
    world.consume()
    job = world.jobs.jobs[world.job.id]
    assert (job.status, job.outcome.error and job.outcome.error.code) == (Status.FAILED, "retries-exhausted")
    assert world.queue.acknowledged == [world.delivery]


def test_the_last_delivery_of_a_job_that_may_still_succeed_is_replaced() -> None:
    world = World(deliveries=3)
    world.store.errors.append(KeyError("bug"))
    world.consume()
    assert world.status is Status.PROCESSING
    assert len(world.queue.waiting) == 1
    assert world.queue.acknowledged == [world.delivery]


def test_a_job_that_is_canceled_meanwhile_is_dropped() -> None:
    world = World()

    class Canceling(MemoryStore):
        def read(self, *args: Any) -> bytes:
            if world.status is Status.PROCESSING:
                world.jobs.act(world.job.id, Action.CANCEL)
            return super().read(*args)

    world.handler = with_ingester(world.handler, store=Canceling(FILE))
    world.consume()
    assert world.status is Status.CANCELED
    assert world.queue.acknowledged == [world.delivery]
    assert not world.jobs.blocks.get(world.job.id)


def test_a_message_is_kept_for_the_worker_that_took_the_job_over() -> None:
    world = World()

    class TakenOver(MemoryStore):
        def read(self, *args: Any) -> bytes:
            raise JobEnded("taken over")

    world.handler = with_ingester(world.handler, store=TakenOver(FILE))
    world.consume()
    assert not world.queue.acknowledged
    assert not world.queue.returned


def test_an_undo_that_fails_again_and_again_is_left_to_sweeps() -> None:
    world = World(deliveries=3)
    world.jobs.jobs[world.job.id] = changed(world.job, status=Status.UNDOING, attempts_without_progress=2)

    class Broken(MemoryJobs):
        def undo(self, *args: Any, **named: Any) -> bool:
            raise KeyError("bug")

    broken = Broken(world.jobs.jobs)
    world.handler = new_handler(broken, world.handler.attempts.ingester, world.queue)
    world.consume()
    assert world.status is Status.UNDOING
    assert world.queue.acknowledged == [world.delivery]
    assert not world.queue.waiting


def test_a_job_is_undone() -> None:
    world = World()
    world.consume()
    world.jobs.act(world.job.id, Action.UNDO)
    world.consume()
    job = world.jobs.jobs[world.job.id]
    assert job.status is Status.UNDONE
    assert job.outcome.undone_rows
    assert job.id not in world.jobs.blocks
    assert world.queue.acknowledged == [world.delivery, world.delivery]


def test_an_unexpected_error_does_not_lose_the_job() -> None:
    world = World()
    world.store.errors = deque([ZeroDivisionError("bug")])
    world.consume()
    assert world.status is Status.PROCESSING
    assert world.queue.returned == [(world.delivery, 2)]


def test_a_stopped_worker_requeues_its_job() -> None:
    world = World(deliveries=3)
    world.stop.set()
    world.consume()
    assert world.status is Status.PROCESSING
    assert [it.job_id for it in world.queue.waiting] == [world.job.id]
    assert world.queue.acknowledged == [world.delivery]
    assert not world.jobs.owners


def until_the_heartbeat_ends(world: "World") -> None:
    """Return when it has found the lease lost."""
    wait_for(lambda: bool(world.jobs.renewing))
    world.jobs.renewing[0].join(5)


def test_a_worker_that_lost_its_lease_stops_without_acknowledging() -> None:
    world = World(lease_seconds=0.03)

    class Slow(MemoryStore):
        def read(self, *args: Any) -> bytes:
            world.jobs.owners[world.job.id] = "another"
            until_the_heartbeat_ends(world)
            return super().read(*args)

    world.handler = with_ingester(world.handler, store=Slow(FILE))
    world.consume()
    assert not world.queue.acknowledged
    assert not world.queue.returned
    assert world.jobs.owners[world.job.id] == "another"


def test_an_unavailable_database_is_raised_to_the_caller() -> None:
    world = World()
    world.jobs.down = True
    with pytest.raises(RetryLater):
        world.consume()


def test_an_outage_at_a_worker_that_lost_its_job_requeues_nothing() -> None:
    world = World()

    class Lost(MemoryStore):
        def read(self, *args: Any) -> bytes:
            world.jobs.owners[world.job.id] = "another"
            until_the_heartbeat_ends(world)
            raise RetryLater("S3 is down")

    world.handler = replace(with_ingester(world.handler, store=Lost(FILE)), heartbeat_seconds=0.01)
    assert not world.consume()
    assert not world.queue.waiting
    assert not world.queue.returned
    assert world.jobs.owners[world.job.id] == "another"


def test_a_canceled_job_is_given_up_between_two_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker looks for that: it does not wait for the next renewal."""
    monkeypatch.setattr(lease, "_LOOK_SECONDS", 0.01)
    world = World()
    looks: list[UUID] = []
    holds = world.jobs.holds

    def noted(job_id: UUID, *, owner: str) -> bool:
        looks.append(job_id)
        return holds(job_id, owner=owner)

    monkeypatch.setattr(world.jobs, "holds", noted)

    class Canceled(MemoryStore):
        def read(self, *args: Any) -> bytes:
            world.jobs.act(world.job.id, Action.CANCEL)
            looks.clear()
            wait_for(lambda: looks)
            for thread in heartbeats():
                thread.join()
            return super().read(*args)

    world.handler = replace(with_ingester(world.handler, store=Canceled(FILE)), heartbeat_seconds=1000)
    world.consume()
    assert not heartbeats()
    assert not any(world.jobs.blocks.values())
    assert world.jobs.jobs[world.job.id].status is Status.CANCELED


def heartbeats() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


@pytest.mark.parametrize("trouble", ["release", "send"])
def test_a_job_that_cannot_be_requeued_keeps_its_message(trouble: str) -> None:
    world = World()

    class Stopping(MemoryStore):
        def read(self, *args: Any) -> bytes:
            world.stop.set()
            (world.jobs if trouble == "release" else world.queue).down = True
            return super().read(*args)

    world.handler = with_ingester(world.handler, store=Stopping(FILE))
    with pytest.raises(RetryLater):
        world.consume()
    assert not world.queue.acknowledged


# A stop as an attempt without progress: the end of its time stops a Lambda worker again and again.


@dataclass
class Register(MemoryJobs):
    """Count attempts without progress as Postgres does: from 1 again after each committed block."""

    blocks_before: dict[UUID, int] = field(default_factory=dict)

    def claim(self, job_id: UUID, *, owner: str, lease_seconds: float) -> Claim | None:
        committed = len(self.blocks.get(job_id, {}))
        if committed > self.blocks_before.get(job_id, 0):
            self.jobs[job_id] = changed(self.jobs[job_id], attempts_without_progress=0)
        self.blocks_before[job_id] = committed
        return super().claim(job_id, owner=owner, lease_seconds=lease_seconds)


class Invoked(World):
    """A job whose worker's time is up after ``blocks`` of it, message after message."""

    def __init__(self, *, blocks: int, one_claim: bool = True) -> None:
        super().__init__()
        self.jobs = Register()
        self.jobs.put(self.job)
        ingester = new_ingester(
            self.jobs,
            self.store,
            sender=self.queue,
            loaders=1,
            new_writer=lambda: StoppingWriter(self, blocks),
        )
        self.handler = new_handler(self.jobs, ingester, self.queue, one_claim=one_claim)
        self.blocks = blocks

    def again(self) -> None:
        """Handle the next message in the next invocation."""
        self.stop = threading.Event()
        if not self.blocks:
            self.stop.set()
        self.consume()
        if self.queue.waiting:
            self.delivery = self.queue.waiting.popleft()

    @property
    def attempts_without_progress(self) -> int:
        return self.jobs.jobs[self.job.id].progress.attempts_without_progress


@dataclass
class StoppingWriter:
    """The writer of one invocation, which is stopped after ``left`` blocks."""

    world: Invoked
    left: int

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        tally = self.world.jobs.write(job, block)
        self.left -= 1
        if not self.left:
            self.world.stop.set()
        return tally


def test_a_job_that_is_stopped_again_and_again_before_its_first_block_fails() -> None:
    world = Invoked(blocks=0)
    for attempt in range(1, world.queue.max_deliveries + 1):
        world.again()
        assert (world.status, world.attempts_without_progress) == (Status.PROCESSING, attempt)
    world.again()
    error = world.jobs.jobs[world.job.id].outcome.error
    assert world.status is Status.FAILED
    assert error is not None
    assert error.code == "retries-exhausted"
    assert error.message.startswith(f"{world.queue.max_deliveries} attempts in a row ")
    assert not world.queue.waiting


def test_a_worker_that_is_rarely_stopped_does_not_count_it() -> None:
    world = Invoked(blocks=0, one_claim=False)
    for _ in range(3 * world.queue.max_deliveries):
        world.again()
        assert (world.status, world.attempts_without_progress) == (Status.PROCESSING, 0)


def test_a_job_that_gets_on_may_be_stopped_any_number_of_times() -> None:
    world = Invoked(blocks=1)
    messages = 0
    while not world.status.is_terminal:
        world.again()
        messages += 1
        assert world.attempts_without_progress <= 1
    assert world.status is Status.COMPLETED
    assert messages > 2 * world.queue.max_deliveries
    assert sum(block.records for block in world.jobs.blocks[world.job.id].values()) == 100


def test_an_outage_at_the_end_of_the_time_is_not_an_attempt_without_progress() -> None:
    world = Invoked(blocks=1)

    class Down(MemoryStore):
        def read(self, *args: Any) -> bytes:
            world.stop.set()
            raise RetryLater("S3 is down")

    world.handler = with_ingester(world.handler, store=Down(FILE))
    for _ in range(2 * world.queue.max_deliveries):
        world.again()
        assert (world.status, world.attempts_without_progress) == (Status.PROCESSING, 0)


def figures(capsys: pytest.CaptureFixture[str]) -> dict[str, list[float]]:
    """Return the measured values by metric, except those of blocks."""
    found: dict[str, list[float]] = {}
    for line in capsys.readouterr().out.splitlines():
        document = json.loads(line)
        for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            found.setdefault(metric["Name"], []).extend(document[metric["Name"]])
    return {name: values for name, values in found.items() if name.startswith(("Job", "Queue", "Cont"))}


def arrived(world: World, *, seconds: float) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=seconds)
    world.jobs.jobs[world.job.id] = changed(world.job, arrived_at=moment)


def test_a_job_is_measured_once_however_often_it_is_requeued(capsys: pytest.CaptureFixture[str]) -> None:
    world = Invoked(blocks=4)
    arrived(world, seconds=100)
    messages = 0
    while not world.status.is_terminal:
        world.again()
        messages += 1
    world.again()  # a message too many
    measured = figures(capsys)
    assert set(measured) == {"QueueTime", "JobTime", "JobsCompleted", "Continuations"}
    assert measured["JobsCompleted"] == [1]
    assert measured["Continuations"] == [1] * (messages - 1)
    [queue_time], [job_time] = measured["QueueTime"], measured["JobTime"]
    assert 100 <= queue_time < job_time < 130


def test_a_stopped_container_counts_no_job_that_ran_out_of_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World()
    world.stop.set()
    world.consume()
    assert set(figures(capsys)) == {"QueueTime"}


@pytest.mark.parametrize("reason", ["its file", "a bug", "attempts without progress"])
def test_a_failure_is_counted_once(reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(data=b"PK\x03\x04" if reason == "its file" else FILE, deliveries=3)
    if reason == "a bug":
        world.jobs.jobs[world.job.id] = changed(world.job, attempts=2, attempts_without_progress=2)
        world.store.errors.append(KeyError("bug"))
    if reason == "attempts without progress":
        world.jobs.jobs[world.job.id] = changed(world.job, attempts=3, attempts_without_progress=3)
    world.consume()
    world.consume()
    assert world.status is Status.FAILED
    measured = figures(capsys)
    measured.pop("QueueTime", None)
    assert measured == {"JobsFailed": [1]}


def test_a_failure_that_another_worker_recorded_is_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()

    class Canceling(MemoryStore):
        def read(self, *args: Any) -> bytes:
            world.jobs.act(world.job.id, Action.CANCEL)
            raise JobFailed("corrupt-file", "It is damaged.")

    world.handler = with_ingester(world.handler, store=Canceling(FILE))
    assert world.consume()
    assert world.status is Status.CANCELED
    assert set(figures(capsys)) == {"QueueTime"}


def test_an_undo_is_not_counted_as_a_completed_job(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    world.consume()
    world.jobs.act(world.job.id, Action.UNDO)
    capsys.readouterr()
    world.consume()
    assert world.status is Status.UNDONE
    assert figures(capsys) == {}

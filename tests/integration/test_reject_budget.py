"""Budgets for rejects on a real Postgres: who notices, what stays, and what an undo leaves."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from chalicelib.backends.postgres.ingested_data import IngestedData
from chalicelib.backends.postgres.undo import PostgresUndo
from chalicelib.core.budget import Budget, OnFailure
from chalicelib.core.completion import Completion
from chalicelib.core.errors import JobEnded, NotPossible
from chalicelib.core.jobs import Changes, Instructions, Job, NewJob, Upload
from chalicelib.core.lifecycle import Action
from chalicelib.core.messages import Delivery
from chalicelib.core.model import Options, Source, Status, Tally
from chalicelib.service.attempt import Attempts
from chalicelib.service.message_handler import MessageHandler, Outcome
from chalicelib.service.rejects_file import RejectsFileMaker
from tests.support.blocks import block
from tests.support.fakes import MemoryJobs, MemoryQueue, MemoryStore, MemoryUploads
from tests.support.life import DIALECT, SOURCE, Life, at_once
from tests.support.workers import new_ingester, new_previewer

RECORDS, REJECTS = 300, 30
LINES = [f"{number},York" if number % 10 else f"{number}" for number in range(RECORDS)]
FILE = "\n".join(["id,city", *LINES, ""]).encode()
GOOD = RECORDS - REJECTS


class Killed(BaseException):
    """The worker is dead."""


@dataclass
class Fate:
    """Kill the worker at its n-th call of a port, before the call or after it; 0: never."""

    number: int = 0
    after: bool = False
    calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def over(self, port: Any, *names: str) -> Any:
        """Return the port with these methods counted."""
        fate = self

        class Port:
            def __getattr__(self, name: str) -> Any:
                method = getattr(port, name)
                return (lambda *a, **k: fate.call(method, *a, **k)) if name in names else method

        return Port()

    def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with self.lock:
            self.calls += 1
            is_last = self.calls == self.number
        if is_last and not self.after:
            raise Killed
        result = method(*arguments, **named)
        if is_last:
            raise Killed
        return result


class World:
    """A job with a budget, its object, and workers."""

    def __init__(
        self,
        life: Life,
        max_rejects: int | str | None,
        on_failure: OnFailure = OnFailure.KEEP,
        *,
        data: bytes = FILE,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.life, self.queue, self.store = life, MemoryQueue(), MemoryStore(data)
        self.limits = {"max_upload": 10**9, "max_record": 10**6, "loaders": 1, **(limits or {})}
        budget = None if max_rejects is None else Budget.parse(max_rejects)
        instructions = Instructions(
            options=Options(delimiter=","), max_rejects=budget, on_failure=on_failure, force=True
        )
        number = life.sql("SELECT count(*) FROM ingestion_jobs")[0][0]
        new = NewJob(UUID(int=number + 1), "default", "f.csv", Upload("b", "k"), 256, instructions)
        self.id = life.jobs.create(new).id
        life.change(f"UPDATE ingestion_jobs SET uploaded_at = now() WHERE id = '{self.id}'")

    @property
    def job(self) -> Job:
        return self.life.found(self.id)

    def worker(self, name: str = "me", fate: Fate | None = None) -> MessageHandler:
        life, fate = self.life, fate or Fate()
        ports = {
            "ledger": fate.over(life.ledger, "open", "tally", "complete"),
            "splits": fate.over(life.splits, "finish"),
            "new_writer": lambda: fate.over(life.writer(), "write"),
        }
        ingester = new_ingester(MemoryJobs(), self.store, sender=self.queue, **ports, **self.limits)
        undo = PostgresUndo(life.pool, fate.over(IngestedData(), "remove"))
        failures = fate.over(life.ledger, "fail", "fail_over_budget")
        attempts = Attempts(
            life.jobs,
            ingester,
            new_previewer(MemoryJobs(), ingester),
            fate.over(undo, "undo"),
            failures,
            RejectsFileMaker(
                life.rejects_files, ingester.store, MemoryUploads(), ingester.limits, ingester.block_memory, 9
            ),
            max_attempts=9,
            outage_seconds=60,
        )
        return MessageHandler(
            life.jobs,
            life.leases,
            attempts,
            self.queue,
            self.queue,
            name,
            lease_seconds=60,
            heartbeat_seconds=30,
        )

    def work(self, name: str = "me", fate: Fate | None = None) -> None:
        """Handle the messages there are, and one more, until the job has ended."""
        worker = self.worker(name, fate)
        self.queue.send(self.id)
        while not self.job.status.is_terminal:
            delivery = self.queue.waiting.popleft() if self.queue.waiting else Delivery(self.id, name, 1)
            worker.handle(delivery, threading.Event())

    def check_failed(self, code: str = "too-many-rejects") -> Job:
        """Check that nothing is half done, and return the job."""
        job, life = self.job, self.life
        assert job.status is Status.FAILED
        assert job.outcome.error is not None
        assert job.outcome.error.code == code
        tally = job.progress.tally
        assert tally.records == tally.inserted + tally.duplicates + tally.rejected
        assert sum(it.count for it in job.rejects) == tally.rejected
        assert len(life.jobs.rejects(job.id, limit=1000, after=None)) == tally.rejected
        assert life.sql("SELECT FROM ingestion_ranges") == []
        undone = job.instructions.on_failure is OnFailure.UNDO
        assert job.outcome.undone_rows == (tally.inserted if undone else None)
        assert rows(life) == (0 if undone else tally.inserted)
        if code == "too-many-rejects":
            told = f"{tally.rejected:,} of the {tally.records:,} records read were rejected, most often as"
            assert job.outcome.error.message.startswith(told)
        return job


def rows(life: Life) -> int:
    return int(life.sql("SELECT count(*) FROM ingested_data")[0][0])


FATES = pytest.mark.parametrize("on_failure", OnFailure)
LIMITS: Sequence[dict[str, int]] = (
    {},
    {"loaders": 4},
    {"range_size": 600},
    {"range_size": 600, "loaders": 4},
)


@FATES
@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("budget", [0, 7, "3.3333%"])
def test_a_job_over_its_budget_fails(
    life: Life, budget: int | str, limits: dict[str, int], on_failure: OnFailure
) -> None:
    world = World(life, budget, on_failure, limits=limits)
    world.work()
    tally = world.check_failed().progress.tally
    if isinstance(budget, int):
        assert budget < tally.rejected < REJECTS  # it ends early
    else:
        assert tally == Tally(RECORDS, GOOD, 0, REJECTS)  # 10 % of fewer than 1,000 records: at the end


@FATES
@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("budget", [None, REJECTS, "10%", "100%"])
def test_a_job_within_its_budget_is_completed(
    life: Life, budget: int | str | None, limits: dict[str, int], on_failure: OnFailure
) -> None:
    world = World(life, budget, on_failure, limits=limits)
    world.work()
    assert (world.job.status, world.job.outcome.error) == (Status.COMPLETED, None)
    assert rows(life) == GOOD


def test_a_share_of_a_thousand_records_is_enough(life: Life) -> None:
    lines = [f"{number},York" if number % 10 else f"{number}" for number in range(3000)]
    world = World(life, "9.9%", data="\n".join(["id,city", *lines, ""]).encode())
    world.work()
    assert 1000 <= world.check_failed().progress.tally.records < 1050


@FATES
@pytest.mark.parametrize("limits", [{}, {"range_size": 1200}], ids=["alone", "split"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_worker_that_is_killed_anywhere_leaves_nothing_half_done(
    life: Life, after: bool, limits: dict[str, int], on_failure: OnFailure
) -> None:
    number, was_killed = 0, True
    while was_killed:
        number, was_killed = number + 1, False
        world = World(life, 12, on_failure, limits=limits)
        try:
            world.work("first", Fate(number, after))
        except Killed:
            was_killed = True
            life.later(61)
        world.work("second")
        tally = world.check_failed().progress.tally
        assert 12 < tally.rejected < REJECTS
        life.change("TRUNCATE ingested_data")
    assert number > 10


def test_many_workers_at_once_fail_the_job_once(life: Life) -> None:
    world = World(life, 12, OnFailure.UNDO, limits={"range_size": 600, "loaders": 2})
    names = [f"worker {number}" for number in range(4)]
    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(world.work, names))
    assert world.check_failed().progress.tally.rejected > 12


def opened(life: Life, world: World) -> Job:
    """Return the job, claimed by "me"."""
    claim = life.leases.claim(world.id, owner="me", lease_seconds=60)
    assert claim is not None
    return life.open(claim.job, SOURCE, DIALECT, 10)


def test_blocks_that_are_committed_at_once_are_counted_together(life: Life) -> None:
    world = World(life, 2)
    job = opened(life, world)
    at_once(*(lambda no=no: life.load(job, block(no, [], rejects=1)) for no in range(3)))
    assert life.ledger.tally(job.id).rejected == 3
    assert life.ledger.fail_over_budget(job, owner="me") is Status.FAILED
    with pytest.raises(JobEnded):
        life.load(job, block(3, ["a"]))


def test_only_the_holder_of_a_lease_fails_the_job_and_only_over_its_budget(life: Life) -> None:
    world = World(life, 2)
    job = opened(life, world)
    life.load(job, block(0, [], rejects=2))
    assert life.ledger.fail_over_budget(job, owner="me") is None  # it is within
    life.load(job, block(1, [], rejects=1))
    before = life.everything()
    assert life.ledger.fail_over_budget(job, owner="other") is None
    assert life.ledger.fail_over_budget(replace(job, reading_no=9), owner="me") is None
    assert life.everything() == before
    assert life.ledger.fail_over_budget(job, owner="me") is Status.FAILED
    assert life.ledger.fail_over_budget(job, owner="me") is None


def test_a_larger_budget_or_none_lets_the_job_go_on(life: Life) -> None:
    world = World(life, 3)
    world.work()
    first = world.check_failed().progress.tally
    assert life.jobs.act(world.id, Action.RETRY) is not None
    world.work()
    assert world.check_failed().progress.tally == first  # at once
    changes: Sequence[dict[str, Any]] = ({"max_rejects": Budget(15)}, {"max_rejects": None})
    for limits in changes:
        changed = life.jobs.reread(world.id, Changes(limits=limits, rereads=False))
        assert changed is not None
        assert (changed.status, changed.instructions.max_rejects) == (Status.PENDING, limits["max_rejects"])
        world.work()
    assert world.job.status is Status.COMPLETED
    assert world.job.progress.tally == Tally(RECORDS, GOOD, 0, REJECTS)
    assert rows(life) == GOOD


def test_limits_are_not_changed_once_a_job_is_completed(life: Life) -> None:
    world = World(life, None)
    world.work()
    before = life.everything()
    with pytest.raises(NotPossible, match="without options"):
        life.jobs.reread(world.id, Changes(limits={"max_rejects": Budget(1)}, rereads=False))
    assert life.everything() == before


@pytest.mark.parametrize(
    "limits", [{}, {"max_rejects": None, "on_failure": OnFailure.KEEP}], ids=["same", "none"]
)
def test_a_job_that_was_rolled_back_starts_from_the_beginning(life: Life, limits: dict[str, Any]) -> None:
    world = World(life, 3, OnFailure.UNDO)
    world.work()
    world.check_failed()
    job = (
        life.jobs.reread(world.id, Changes(limits=limits, rereads=False))
        if limits
        else life.jobs.act(world.id, Action.RETRY)
    )
    assert job is not None
    assert (job.status, job.rereads, job.rolls_back) == (Status.UNDOING, True, False)
    world.work()
    if not limits:
        world.check_failed()
        return
    assert (world.job.status, world.job.outcome.undone_rows) == (Status.COMPLETED, None)
    assert (world.job.progress.tally, rows(life)) == (Tally(RECORDS, GOOD, 0, REJECTS), GOOD)


def test_a_job_that_was_rolled_back_can_be_undone(life: Life) -> None:
    world = World(life, 3, OnFailure.UNDO)
    world.work()
    removed = world.check_failed().outcome.undone_rows
    assert life.jobs.act(world.id, Action.UNDO) is not None
    world.work()
    undone = world.job
    assert (undone.status, undone.outcome.undone_rows) == (Status.UNDONE, removed)
    assert (undone.progress.tally, undone.rejects) == (Tally(), ())


def test_a_second_reading_is_rolled_back_like_the_first(life: Life) -> None:
    world = World(life, None, OnFailure.UNDO)
    world.work()
    assert (world.job.status, rows(life)) == (Status.COMPLETED, GOOD)
    changes = Changes({"delimiter": ";"}, limits={"max_rejects": Budget.parse("5%")})
    assert life.jobs.reread(world.id, Changes(changes.options)) is not None  # all is one column then
    world.work()
    assert (world.job.status, rows(life)) == (Status.COMPLETED, RECORDS)
    again = Changes({"delimiter": ","}, limits=changes.limits)
    assert life.jobs.reread(world.id, again) is not None
    world.work()
    assert world.check_failed().rereads


def test_rows_of_others_stay(life: Life) -> None:
    other = World(life, None, data=b"id,city\n1,York\n2,York\n")
    other.work()
    world = World(life, 3, OnFailure.UNDO)
    world.work()
    assert world.job.status is Status.FAILED
    assert world.job.outcome.undone_rows == world.job.progress.tally.inserted
    assert rows(life) == 2


def test_a_rollback_cannot_be_canceled(life: Life) -> None:
    world = World(life, 2, OnFailure.UNDO)
    job = opened(life, world)
    life.load(job, block(0, ["a"], rejects=3))
    assert life.ledger.fail_over_budget(job, owner="me") is Status.UNDOING
    for action in (Action.CANCEL, Action.RETRY, Action.UNDO):
        with pytest.raises(NotPossible):
            life.jobs.act(world.id, action)
    with pytest.raises(JobEnded):
        life.load(job, block(1, ["b"]))
    life.later(61)
    assert life.upkeep.take_silent(seconds=60, limit=9) == [world.id]  # a sweep finds it
    world.work()
    assert (world.job.status, world.job.outcome.undone_rows, rows(life)) == (Status.FAILED, 1, 0)


class Replaced(MemoryStore):
    """A store whose object is replaced once it has been read."""

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        source = super().pin(bucket, key, version_id)
        self.etag = "e2" if self.was_read else "e1"
        return replace(source, etag=self.etag)

    was_read = False

    def read(self, source: Source, start: int, end: int) -> bytes:
        self.was_read = True
        return super().read(source, start, end)


@FATES
def test_a_job_that_fails_for_another_reason_is_treated_alike(life: Life, on_failure: OnFailure) -> None:
    world = World(life, None, on_failure)
    world.store = Replaced(FILE)
    world.work()
    assert world.check_failed("source-changed").progress.tally.inserted == GOOD


@FATES
def test_a_job_that_had_loaded_nothing_fails_at_once(life: Life, on_failure: OnFailure) -> None:
    world = World(life, 0, on_failure, data=b"")
    world.work()
    assert (world.job.status, world.job.outcome.undone_rows) == (Status.FAILED, None)


@pytest.mark.parametrize(
    ("budget", "code"),
    [(None, "nothing-loaded"), ("100%", "nothing-loaded"), (9, "nothing-loaded"), (3, "too-many-rejects")],
)
@FATES
def test_too_many_rejects_come_before_nothing_loaded(
    life: Life, budget: int | str | None, code: str, on_failure: OnFailure
) -> None:
    world = World(life, budget, on_failure, data=b"id,city\n" + b"short\n" * 9)
    world.work()
    assert world.check_failed(code).progress.tally.rejected == 9


def test_a_file_whose_rejects_exceed_the_budget_is_no_duplicate(life: Life) -> None:
    source = Source("b", "k", "e", 70, None, "checksum")
    jobs = [World(life, budget) for budget in (None, 1, 2)]
    life.change("UPDATE ingestion_jobs SET force = false, options = '{}'")
    first, strict, loose = (claimed(life, it.id) for it in jobs)
    first = life.open(first, source, DIALECT, 10)
    life.load(first, block(0, ["a"], rejects=2))
    life.ledger.measure(first, 10)
    assert life.ledger.complete(first, 10) is Completion.COMPLETED
    assert life.ledger.complete_as_duplicate(strict, source) is None
    assert life.ledger.complete_as_duplicate(loose, source) == first.id


def claimed(life: Life, job_id: UUID) -> Job:
    claim = life.leases.claim(job_id, owner="me", lease_seconds=60)
    assert claim is not None
    return claim.job


def test_a_message_stays_for_a_rollback_whose_worker_is_busy(life: Life) -> None:
    """A second message for a job that rolls back changes nothing."""
    world = World(life, 2, OnFailure.UNDO)
    job = opened(life, world)
    life.load(job, block(0, ["a"], rejects=3))
    assert life.ledger.fail_over_budget(job, owner="me") is Status.UNDOING
    assert claimed(life, world.id).rolls_back
    before = life.everything()
    handled = world.worker("second").handle(Delivery(world.id, "x", 1), threading.Event())
    assert (handled, life.everything()) == (Outcome.ACKNOWLEDGED, before)

"""A split file is cut as one worker would cut it, and completed with its last range."""

import random
import threading
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.errors import JobEnded, RetryLater
from chalicelib.core.jobs import Job
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Dialect, ExtraCells, Format, Gap, Options, Range, Source, Status
from chalicelib.formats import format_of
from chalicelib.reading.blocks import cut_blocks
from chalicelib.reading.compression import DecompressionLimits
from chalicelib.reading.object_text import Chunk, ObjectText
from chalicelib.reading.split_points import range_ends
from chalicelib.service.ingestion import Result
from chalicelib.service.message_handler import MessageHandler, Outcome
from tests.support.examples import many
from tests.support.fakes import MemoryJobs, MemoryQueue, MemoryStore
from tests.support.jobs import changed, new_job
from tests.support.workers import ingest, new_handler, new_ingester

MAX_RECORD = 60
PIECES = [
    *(b"1,2\n", b'"a\nb",c\n', b"x,y\r\n", b"x,y\r", b"\n", b'"', b'a"b,c\n', b'"x""y",z\n', b"#\n"),
    *(b"y" * 90 + b"\n", b'"' + b"z\n" * 40 + b'",1\n', b"\\", b"\\\n", b'{"a": 1}\n', b'"open\n'),
]
DIALECTS = {
    "quotes": Dialect(Format.CSV, 0, columns=("a", "b"), delimiter=",", quote='"'),
    "no quotes": Dialect(Format.CSV, 4, columns=("a", "b"), delimiter=",", quote=""),
    "escapes": Dialect(Format.CSV, 0, columns=("a", "b"), delimiter=",", quote="", escape="\\"),
    "comments": Dialect(Format.CSV, 0, columns=("a", "b"), delimiter=",", quote='"', comment="#"),
    "lines": Dialect(Format.NDJSON, 0),
}
FILES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=60).map(b"".join)


def contents(data: bytes, dialect: Dialect, read_size: int = 1 << 20) -> ObjectText:
    source = Source("bucket", "key", "e1", len(data))
    limits = DecompressionLimits(size=1 << 30, ratio=1000, seconds=60)
    return ObjectText(MemoryStore(data), source, dialect, limits, read_size)


@pytest.mark.parametrize("kind", DIALECTS)
@settings(max_examples=many(150))
@given(data=FILES, block_size=st.integers(8, 60), cells=st.integers(1, 5), read_size=st.integers(16, 500))
def test_ranges_end_where_blocks_do(
    kind: str, data: bytes, block_size: int, cells: int, read_size: int
) -> None:
    dialect = DIALECTS[kind]
    data = b"a,b\n" + data
    text = contents(data, dialect, read_size)
    framing = format_of(dialect).framing(dialect, MAX_RECORD, to_end=True)
    whole = Gap(0, len(data))
    chunks = iter([Chunk(data[dialect.data_start :])])
    blocks = [
        block.end
        for block in cut_blocks(
            chunks, whole, data_start=dialect.data_start, block_size=block_size, framing=framing
        )
    ]
    found = list(
        range_ends(text, Range(0, len(data)), framing, block_size=block_size, range_size=block_size * cells)
    )
    assert set(found) <= set(blocks)
    assert found == sorted(set(found))
    assert found[-1] == len(data)
    # none is left out: each range but those of long records has no more cells than were asked for
    steps = [end // (block_size * cells) for end in blocks[:-1]]
    assert len(found) >= len(set(steps) - {0})


def ledger(jobs: MemoryJobs, job: Job) -> dict[int, object]:
    return {
        no: (block.start, block.end, block.records, block.rejects, block.rows["record"].to_pylist())
        for no, block in jobs.blocks[job.id].items()
    }


class World:
    """Hold a split job and its workers, over ports in memory."""

    def __init__(self, data: bytes, range_size: int = 200, **job: object) -> None:
        self.jobs, self.store, self.queue = MemoryJobs(), MemoryStore(data), MemoryQueue()
        self.job = self.jobs.put(new_job(**job))
        sizes = {"range_size": range_size, "max_record": 100, "max_upload": 1 << 30}
        self.ingester = new_ingester(self.jobs, self.store, sender=self.queue, **sizes)
        self.queue.send(self.job.id)

    def worker(self, name: str, *, one_claim: bool = False) -> MessageHandler:
        return new_handler(self.jobs, self.ingester, self.queue, name, one_claim=one_claim)

    def consume(self, name: str = "me", *, which: int = 0, one_claim: bool = False) -> bool:
        self.queue.waiting.rotate(-which)
        delivery = self.queue.waiting.popleft()
        worker = self.worker(name, one_claim=one_claim)
        return worker.handle(delivery, threading.Event()) is Outcome.ACKNOWLEDGED

    @property
    def known(self) -> Job:
        return self.jobs.jobs[self.job.id]

    def share(self) -> list[Range]:
        """Split the file; no range is claimed yet."""
        self.queue.waiting.clear()
        claim = self.jobs.claim(self.job.id, owner="planner", lease_seconds=30)
        assert claim is not None
        assert ingest(claim, self.ingester, lambda: True) is Result.CLAIM_DONE
        self.jobs.release(claim.job.id, owner="planner", without_progress=False)
        return list(self.jobs.ranges[self.job.id])


LINES = b"a,b\n" + b"".join(b'%d,"x\n%d"\n' % (n, n % 7) for n in range(200)) + b"short\n"


@pytest.mark.parametrize("one_claim", [False, True], ids=["container", "function"])
@settings(max_examples=many(40))
@given(data=FILES.map(lambda it: it * 20), seed=st.integers(0, 99))
def test_a_split_job_has_the_ledger_of_an_unsplit_one(one_claim: bool, data: bytes, seed: int) -> None:
    declared: Any = {
        "options": Options(delimiter=",", extra_cells=ExtraCells.DROP)
    }  # so that nothing is unclear
    alone, shared = World(b"a,b\n" + data, range_size=0, **declared), World(b"a,b\n" + data, **declared)
    alone.consume()
    draw = random.Random(seed)
    while shared.queue.waiting:
        shared.consume(which=draw.randrange(len(shared.queue.waiting)), one_claim=one_claim)
    assert shared.known.status is alone.known.status
    assert alone.known.status in (Status.COMPLETED, Status.FAILED)  # all may be rejected
    assert shared.known.outcome.error == alone.known.outcome.error
    assert ledger(shared.jobs, shared.job) == ledger(alone.jobs, alone.job)
    assert not shared.jobs.ranges.get(shared.job.id)


def test_splitting_enqueues_a_message_for_each_range() -> None:
    world = World(LINES)
    found = world.share()
    assert len(found) > 5
    assert [it.start for it in found] == [0, *(it.end for it in found[:-1])]
    assert found[-1].end == len(LINES)
    assert len(world.queue.waiting) == len(found)
    assert not world.jobs.blocks


def test_small_files_and_files_without_known_record_borders_are_not_split() -> None:
    for world in (
        World(LINES, range_size=len(LINES) // 2 + 1),
        World(LINES, range_size=0),
        World(LINES.decode().encode("utf-16"), options=Options(encoding="utf-16")),
        World(b"[" + b",\n".join([b'{"a":1}'] * 200) + b"]"),
    ):
        world.consume()
        assert world.known.status is Status.COMPLETED
        assert world.known.reading is None or world.known.reading.split_to is None
        assert not world.queue.waiting


def test_each_worker_takes_a_range_and_one_of_them_completes_the_job() -> None:
    world = World(LINES)
    found = world.share()
    taken = [
        world.jobs.claim(world.job.id, owner=str(number), lease_seconds=30) for number in range(len(found))
    ]
    assert [claim.range for claim in taken if claim] == found
    assert world.jobs.claim(world.job.id, owner="late", lease_seconds=30) is None
    results = [ingest(claim, world.ingester, lambda: True) for claim in taken if claim]
    assert results == [Result.CLAIM_DONE] * (len(found) - 1) + [Result.JOB_ENDED]
    assert world.known.status is Status.COMPLETED


def test_the_last_workers_may_both_find_everything_done() -> None:
    world = World(LINES)
    *_, last = world.share()
    others = [it for it in world.jobs.ranges[world.job.id] if it != last]
    for _ in others:
        claim = world.jobs.claim(world.job.id, owner="me", lease_seconds=30)
        assert claim is not None
        assert ingest(claim, world.ingester, lambda: True) is Result.CLAIM_DONE
    claim = world.jobs.claim(world.job.id, owner="me", lease_seconds=30)
    assert claim is not None
    assert ingest(claim, world.ingester, lambda: True) is Result.JOB_ENDED
    assert ingest(claim, world.ingester, lambda: True) is Result.CLAIM_DONE  # it was completed already


def test_splitting_resumes_where_another_worker_stopped() -> None:
    whole = World(LINES).share()
    world = World(LINES)

    class Down(MemoryQueue):
        def send(self, job_id: object, *, copies: int = 1) -> None:
            raise RetryLater(f"no {copies} messages about {job_id}")

    claim = world.jobs.claim(world.job.id, owner="first", lease_seconds=30)
    assert claim is not None
    with pytest.raises(RetryLater):
        ingest(claim, replace(world.ingester, sender=Down()), lambda: True)
    world.jobs.release(claim.job.id, owner="first", without_progress=False)
    assert len(world.jobs.ranges[claim.job.id]) == 1
    # sharing out comes first: it is what others wait for
    claim = world.jobs.claim(world.job.id, owner="second", lease_seconds=30)
    assert claim is not None
    assert claim.range is None
    assert ingest(claim, world.ingester, lambda: True) is Result.CLAIM_DONE
    assert list(world.jobs.ranges[claim.job.id]) == whole
    world.jobs.release(claim.job.id, owner="second", without_progress=False)
    world.consume()
    assert world.known.status is Status.COMPLETED


def test_a_worker_that_was_overtaken_stops_splitting() -> None:
    world = World(LINES)
    claim = world.jobs.claim(world.job.id, owner="first", lease_seconds=30)
    assert claim is not None
    world.jobs.release(claim.job.id, owner="first", without_progress=False)
    found = world.share()
    with pytest.raises(JobEnded):
        ingest(changed(world.known, split_to=None), world.ingester, lambda: True)
    assert list(world.jobs.ranges[claim.job.id]) == found


def test_a_worker_that_dies_leaves_its_range_to_others() -> None:
    world = World(LINES)
    world.share()
    claim = world.jobs.claim(world.job.id, owner="dead", lease_seconds=30)
    assert claim is not None
    blocks = iter(range(2))
    assert (
        ingest(claim, world.ingester, lambda: next(blocks, None) is not None or not world.jobs.blocks)
        is Result.INTERRUPTED
    )
    world.jobs.release(claim.job.id, owner="dead", without_progress=True)
    world.consume()
    assert world.known.status is Status.COMPLETED


def test_a_retried_job_is_split_around_its_committed_blocks() -> None:
    world = World(LINES)
    world.share()
    for _ in range(3):  # some ranges are loaded, and some blocks of the file are lost again
        claim = world.jobs.claim(world.job.id, owner="me", lease_seconds=30)
        assert claim is not None
        ingest(claim, world.ingester, lambda: True)
    assert world.jobs.fail(world.job, owner="me", code="x", message="y") is None  # it holds nothing
    world.jobs.claim(world.job.id, owner="me", lease_seconds=30)
    assert world.jobs.fail(world.job, owner="me", code="x", message="y")
    del world.jobs.blocks[world.job.id][2]
    world.jobs.act(world.job.id, Action.RETRY)
    world.jobs.jobs[world.job.id] = changed(world.known, status=Status.PROCESSING)
    found = world.share()
    assert found[0].end < found[1].start
    while world.queue.waiting:
        world.consume()
    alone = World(LINES, range_size=0)
    alone.consume()
    assert ledger(world.jobs, world.job) == ledger(alone.jobs, alone.job)


def test_a_canceled_job_ends_its_ranges() -> None:
    world = World(LINES)
    world.share()
    claim = world.jobs.claim(world.job.id, owner="me", lease_seconds=30)
    assert claim is not None
    world.jobs.act(world.job.id, Action.CANCEL)
    with pytest.raises(JobEnded):
        ingest(claim, world.ingester, lambda: True)
    world.consume()
    assert world.known.status is Status.CANCELED
    assert not world.jobs.blocks.get(world.job.id)

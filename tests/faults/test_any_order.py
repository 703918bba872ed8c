"""In whatever order workers cut, commit, die, take over: ledger and rows are those of a run undisturbed."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.backends.postgres import database
from chalicelib.backends.postgres.jobs import PostgresClaims
from chalicelib.backends.postgres.records import PostgresRecords
from chalicelib.core.errors import LostClaim
from chalicelib.core.model import Gap, Job, Status
from chalicelib.core.ports import LoadedBlock
from chalicelib.formats import format_of
from chalicelib.reading.object_text import ObjectText
from chalicelib.service import ingestion as ingest
from tests.support.fakes import MemoryJobs, MemoryStore, loading, new_job
from tests.support.faults import files
from tests.support.faults.world import LONG, World

MAX_RECORD = 4096
BLOCK_SIZE = 1024
EXAMPLES = 200 if LONG else 12
COMMANDS = st.tuples(
    st.integers(0, 2),  # which worker
    st.sampled_from(["look", "look", "commit", "commit", "commit", "die", "rest"]),
    st.integers(0, 40),  # where a part of what it saw begins, or which of its blocks
    st.integers(1, 40),  # how many blocks that part has
)


@dataclass
class Worker:
    """What a worker knows: the blocks it has cut and not committed."""

    hands: list[LoadedBlock] = field(default_factory=list)


@dataclass
class Play:
    """One job and its interleaved workers, over any backend."""

    parts: ingest.Parts
    job: Job
    lost: int = 0

    def look(self, start: int, count: int) -> list[LoadedBlock]:
        """Cuts what is missing now; a part of the blocks, as if others had been given the rest."""
        job, text = ingest._opened(self.job, self.parts)
        self.job = job
        total = text.source.size if text.is_plain else job.text_size
        blocks: list[LoadedBlock] = []
        for gap in self.parts.claims.gaps(job.id, total):
            blocks += self._cut(gap, text, total)
        return blocks[start % (len(blocks) + 1) :][:count]

    def _cut(self, gap: Gap, text: ObjectText, total: int | None) -> Iterator[LoadedBlock]:
        to_end = gap.end in (None, total)
        framing = format_of(text.dialect).framing(text.dialect, self.parts.max_record, to_end=to_end)
        with closing(ingest._blocks(self.job, text, gap, framing)) as blocks:
            yield from blocks

    def commit(self, worker: Worker, which: int) -> None:
        if worker.hands:
            block = worker.hands.pop(which % len(worker.hands))
            try:
                self.parts.new_sink().load(self.job, block)
            except LostClaim:
                self.lost += 1
                worker.hands.clear()  # it looks again

    def run(self, commands: list[tuple[int, str, int, int]]) -> None:
        crew = [Worker() for _ in range(3)]
        for who, what, where, count in commands:
            worker = crew[who]
            if what == "look":
                worker.hands = self.look(where, count)
            elif what == "commit":
                self.commit(worker, where)
            elif what == "die":
                worker.hands = []
            else:
                while worker.hands:
                    self.commit(worker, where)
        for worker in crew:  # zombies that were quiet until now
            if worker.hands:
                self.commit(worker, 0)
        assert ingest.ingest(self.job, self.parts, lambda: True) is ingest.Result.ENDED


@st.composite
def cases(draw: Any) -> tuple[files.File, list[tuple[int, str, int, int]]]:
    kind = draw(st.sampled_from(list(files.KINDS)))
    file = files.make(kind, draw(st.integers(0, 999)), draw(st.integers(1, 400)))
    return file, draw(st.lists(COMMANDS, max_size=40))


def parts(store: MemoryStore, claims: Any, sink: Callable[[], Any]) -> ingest.Parts:
    sizes = {"max_upload": 1 << 30, "max_record": MAX_RECORD}
    return loading(claims, store, new_sink=sink, **sizes)


@settings(max_examples=EXAMPLES * (5 if LONG else 1))
@given(cases())
def test_in_memory(case: tuple[files.File, list[tuple[int, str, int, int]]]) -> None:
    file, commands = case
    jobs = MemoryJobs()
    job = jobs.add(new_job(status=Status.PROCESSING, block_size=BLOCK_SIZE))
    Play(parts(MemoryStore(file.data), jobs, lambda: jobs), job).run(commands)
    counts = files.expected(file)
    blocks = sorted(jobs.blocks.get(job.id, {}).values(), key=lambda block: block.start)
    assert [block.start for block in blocks] == [0, *(block.end for block in blocks)][: len(blocks)]
    assert blocks[-1].end == counts.size
    assert sum(block.records for block in blocks) == counts.records
    assert {row for block in blocks for row in block.rows["content_hash"].to_pylist()} == counts.distinct


@pytest.fixture
def pool(make_world: Callable[..., World]) -> Iterator[tuple[World, database.Pool]]:
    world = make_world()
    with closing(database.Pool(world.env["DATABASE_URL"], size=4)) as pool:
        yield world, pool


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_in_postgres(
    pool: tuple[World, database.Pool], case: tuple[files.File, list[tuple[int, str, int, int]]]
) -> None:
    world, connections = pool
    file, commands = case
    world.loadings.clear()
    with psycopg.connect(world.env["DATABASE_URL"]) as connection:
        connection.execute("TRUNCATE ingested_data")  # of the example before
    loading = world.put(file, dataset=f"set-{random.Random().random()}", block_size=BLOCK_SIZE)
    claims = PostgresClaims(connections)
    job = claims.claim(loading.job, owner="test", lease_seconds=600)
    assert job is not None
    store = MemoryStore(file.data, etag=world.job(loading)["etag"])
    Play(parts(store, claims, lambda: PostgresRecords(connections)), job).run(commands)
    world.check()

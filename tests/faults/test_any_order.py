"""Workers cut, commit, die and take over in any order: ledger and rows equal those of an undisturbed run."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.backends.postgres import database
from chalicelib.backends.postgres.blocks import PostgresBlocks
from chalicelib.backends.postgres.ingested_data import IngestedData
from chalicelib.backends.postgres.leases import PostgresLeases
from chalicelib.backends.postgres.ledger import PostgresLedger
from chalicelib.backends.postgres.splits import PostgresSplits
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.errors import BlockAlreadyCommitted
from chalicelib.core.jobs import Claim
from chalicelib.core.model import Status
from chalicelib.service.ingestion import Ingester, Ingestion, Result
from chalicelib.service.opening import Opener
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.faults import files
from tests.support.faults.scenario import LONG, Scenario
from tests.support.jobs import new_job
from tests.support.workers import new_ingester

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

    hands: list[PreparedBlock] = field(default_factory=list)


@dataclass
class Play:
    """One job and its interleaved workers, over any backend."""

    ingester: Ingester
    claim: Claim
    lost: int = 0

    def look(self, start: int, count: int) -> list[PreparedBlock]:
        """Cuts what is missing now; a part of the blocks, as if others had been given the rest."""
        limits = self.ingester.limits
        opener = Opener(self.ingester.ledger, self.ingester.store, limits.text, limits.max_upload, 1 << 22)
        reading = self.claim.job.reading or opener.fix(self.claim.job, opener.look(self.claim))
        ingestion = Ingestion(self.ingester, self.claim, reading)
        self.claim = replace(self.claim, job=ingestion.job)
        total = ingestion._text_size()
        gaps = self.ingester.ledger.gaps(ingestion.job.id, total)
        blocks = []
        for gap in gaps:
            for block, hold in ingestion._blocks(gap, to_end=gap.end in (None, total)):
                blocks.append(block)
                hold.release()
        return blocks[start % (len(blocks) + 1) :][:count]

    def commit(self, worker: Worker, which: int) -> None:
        if worker.hands:
            block = worker.hands.pop(which % len(worker.hands))
            try:
                self.ingester.new_writer().write(self.claim.job, block)
            except BlockAlreadyCommitted:
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
        assert self.ingester.ingest(self.claim, lambda: True) is Result.JOB_ENDED


@st.composite
def cases(draw: Any) -> tuple[files.File, list[tuple[int, str, int, int]]]:
    kind = draw(st.sampled_from(list(files.KINDS)))
    file = files.make(kind, draw(st.integers(0, 999)), draw(st.integers(1, 400)))
    return file, draw(st.lists(COMMANDS, max_size=40))


def ingester(store: MemoryStore, jobs: Any, **ports: Any) -> Ingester:
    return new_ingester(jobs, store, max_upload=1 << 30, max_record=MAX_RECORD, **ports)


@settings(max_examples=EXAMPLES * (5 if LONG else 1))
@given(cases())
def test_any_order_of_events_in_memory_gives_an_undisturbed_ledger(
    case: tuple[files.File, list[tuple[int, str, int, int]]],
) -> None:
    file, commands = case
    jobs = MemoryJobs()
    job = jobs.put(new_job(status=Status.PROCESSING, block_size=BLOCK_SIZE))
    Play(ingester(MemoryStore(file.data), jobs), Claim(job, "me", None, 1)).run(commands)
    counts = files.expected(file)
    blocks = sorted(jobs.blocks.get(job.id, {}).values(), key=lambda block: block.start)
    assert [block.start for block in blocks] == [0, *(block.end for block in blocks)][: len(blocks)]
    assert blocks[-1].end == counts.size
    assert sum(block.records for block in blocks) == counts.records
    assert {row for block in blocks for row in block.rows["content_hash"].to_pylist()} == counts.distinct


@pytest.fixture
def pool(make_scenario: Callable[..., Scenario]) -> Iterator[tuple[Scenario, database.Pool]]:
    scenario = make_scenario()
    with closing(database.Pool(scenario.env["DATABASE_URL"], size=4)) as pool:
        yield scenario, pool


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_any_order_of_events_in_postgres_gives_an_undisturbed_ledger(
    pool: tuple[Scenario, database.Pool], case: tuple[files.File, list[tuple[int, str, int, int]]]
) -> None:
    scenario, connections = pool
    file, commands = case
    scenario.loadings.clear()
    with psycopg.connect(scenario.env["DATABASE_URL"]) as connection:
        connection.execute("TRUNCATE ingested_data")  # of the example before
    loading = scenario.put(file, dataset=f"set-{random.Random().random()}", block_size=BLOCK_SIZE)
    claim = PostgresLeases(connections).claim(loading.job, owner="test", lease_seconds=600)
    assert claim is not None
    store = MemoryStore(file.data, etag=scenario.job(loading)["etag"])
    ledger, splits = PostgresLedger(connections, IngestedData()), PostgresSplits(connections)
    ports = {
        "ledger": ledger,
        "splits": splits,
        "new_writer": lambda: PostgresBlocks(connections, IngestedData(few=0)),
    }
    Play(ingester(store, MemoryJobs(), **ports), claim).run(commands)
    scenario.check()

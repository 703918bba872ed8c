"""A file of one block is opened, loaded and completed in one transaction, as if in many."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.budget import Budget, OnFailure
from chalicelib.core.completion import Completion
from chalicelib.core.errors import JobEnded
from chalicelib.core.jobs import Instructions, Job, Reading
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Source, Status, Tally
from chalicelib.core.warnings import FileWarning
from chalicelib.service.ingestion import BlockWriter, Ingester, Result
from tests.support.blocks import block
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.life import DIALECT, SMALL_SOURCE, Life, at_once
from tests.support.workers import ingest, new_ingester

ROWS = b"a,b\n" + b"".join(b"%d,x%d\n" % (number, number) for number in range(10))
FILES = {
    "plain": ROWS,
    "with repeats and rejects": ROWS + b"1,x1\nshort\n1,2,3\n",
    "all rejected": b"a,b\n" + b"short\n" * 5,
    "gzip": gzip.compress(ROWS + b"short\n", mtime=0),
    "utf-16": ROWS.decode().encode("utf-16"),
    "ndjson": b'{"a": 1}\n{"a": \n{"a": [2]}\n',
    "json": b'[{"a": 1}, 7, {"a": {"b": 2}}]',
    "json that ends early": b'[{"a": 1}, {"a": ',
    "header only": b"a,b\n",
    "warnings": b"a;b\n1;2\n3;4;\n",
}
INSTRUCTIONS = {
    "no budget": Instructions(),
    "budget": Instructions(max_rejects=Budget.parse(1)),
    "budget, undo": Instructions(max_rejects=Budget.parse(0), on_failure=OnFailure.UNDO),
}
READING = Reading(SMALL_SOURCE, DIALECT, 10)


@dataclass
class InSteps:
    """A writer that loads no file as a whole."""

    writer: BlockWriter

    def write(self, job: Job, written: PreparedBlock) -> Tally:
        return self.writer.write(job, written)

    def write_whole(self, *_arguments: object) -> None:
        """Leave it to :meth:`write`."""


@dataclass
class Counted(MemoryStore):
    """Counts requests."""

    requests: int = 0

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        self.requests += 1
        return super().pin(bucket, key, version_id)

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        source = self.pin(bucket, key, version_id)
        return source, self.data[:size]

    def read(self, source: Source, start: int, end: int) -> bytes:
        self.requests += 1
        return super().read(source, start, end)


def ingester(life: Life, store: MemoryStore, new_writer: Callable[[], BlockWriter]) -> Ingester:
    ports = {"ledger": life.ledger, "splits": life.splits, "new_writer": new_writer}
    return new_ingester(MemoryJobs(), store, max_upload=10**9, max_record=10**6, **ports)


def outcome(
    life: Life, data: bytes, instructions: Instructions, new_writer: Callable[[], BlockWriter]
) -> list[Any]:
    """Return everything that is stored of a file after an attempt, but times and ids."""
    job = life.found(life.pending(instructions=instructions, block_size=4096))
    claim = life.leases.claim(job.id, owner="me", lease_seconds=60)
    assert claim is not None
    try:
        result: object = ingest(claim, ingester(life, MemoryStore(data), new_writer), lambda: True)
    except Exception as error:  # noqa: BLE001 - compared
        result = repr(error)
    found = life.found(job.id)
    stored = [
        life.sql(f"SELECT {columns} FROM {table} WHERE job_id = '{job.id}' ORDER BY 1, 2, 3")
        for table, columns in {
            "ingestion_blocks": "block_no, start_offset, end_offset, source_offset, lines, records, rejected",
            "validation_errors": "block_no, record, code, message, raw",
            "reject_counts": "block_no, code, field, count",
            "job_warnings": "block_no, code, count, byte_offset, example",
        }.items()
    ]
    rows = life.sql(f"SELECT content_hash, record::text FROM ingested_data WHERE first_job = {job.number}")
    life.change("DELETE FROM ingested_data")
    return [
        result,
        (found.status, found.outcome, found.reading, found.source, found.block_size, found.reading_no),
        found.progress,
        found.progress.tally,
        stored,
        sorted(map(repr, rows)),
    ]


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
@pytest.mark.parametrize("file", FILES)
def test_a_file_loaded_at_once_is_stored_like_one_loaded_in_steps(
    life: Life, file: str, instructions: str
) -> None:
    kinds: list[Callable[[], BlockWriter]] = [life.writer, lambda: InSteps(life.writer())]
    at_once, in_steps = (outcome(life, FILES[file], INSTRUCTIONS[instructions], kind) for kind in kinds)
    if at_once[0] != in_steps[0]:  # a budget is noticed after the block, or at the end: the job ends alike
        assert "TooManyRejects" in str(in_steps[0])
        assert at_once[0] in (Result.JOB_FAILED, Result.ROLLING_BACK)
        at_once, in_steps = at_once[3:], in_steps[3:]
    assert at_once == in_steps


def test_a_small_job_takes_two_transactions_and_two_requests_to_the_store(life: Life) -> None:
    job_id, store = life.pending(block_size=4096), Counted(ROWS)
    before = life.pool.get_stats()["requests_num"]
    claim = life.leases.claim(job_id, owner="me", lease_seconds=60)
    assert claim is not None
    assert ingest(claim, ingester(life, store, life.writer), lambda: True) is Result.JOB_ENDED
    assert life.pool.get_stats()["requests_num"] - before == 2
    assert store.requests == 2
    assert life.found(job_id).progress.tally == Tally(10, 10, 0, 0)


def claimed(life: Life) -> Job:
    claim = life.leases.claim(life.pending(), owner="me", lease_seconds=60)
    assert claim is not None
    return replace(claim.job, source=SMALL_SOURCE, block_size=10, reading=READING)


def write(
    life: Life, job: Job, warnings: Sequence[FileWarning] = ()
) -> tuple[Completion, Tally] | BaseException | None:
    try:
        return life.writer().write_whole(job, block(0, ["a", "b"]), warnings)
    except JobEnded as error:
        return error


def test_a_job_that_another_worker_has_opened_is_left_to_it(life: Life) -> None:
    job = claimed(life)
    life.ledger.open(job, Reading(SMALL_SOURCE, DIALECT, 10))
    before = life.everything()
    assert write(life, job) is None
    assert life.everything() == before


@pytest.mark.parametrize("meanwhile", ["canceled", "taken over", "read in another way"])
def test_nothing_is_written_for_a_job_that_is_not_the_workers_any_more(life: Life, meanwhile: str) -> None:
    job = claimed(life)
    if meanwhile == "canceled":
        assert life.do(job.id, Action.CANCEL)
    elif meanwhile == "taken over":
        life.later(61)
        assert life.do(job.id, Action.CLAIM, "another")
    else:
        life.change(f"UPDATE ingestion_jobs SET reading_no = 2 WHERE id = '{job.id}'")
    before = life.everything()
    assert isinstance(write(life, job), JobEnded)
    assert life.everything() == before


def test_of_two_workers_with_the_same_file_one_completes_it(life: Life) -> None:
    for _ in range(5):
        job = claimed(life)
        results = at_once(*[partial(write, life, job) for _ in range(3)])
        assert [it for it in results if isinstance(it, tuple)] == [(Completion.COMPLETED, Tally(2, 2, 0, 0))]
        assert sum(isinstance(it, JobEnded) for it in results) == 2
        assert life.found(job.id).status is Status.COMPLETED
        life.change("DELETE FROM ingested_data")


def test_rows_of_another_file_that_is_being_loaded_are_duplicates(life: Life) -> None:
    jobs = [claimed(life) for _ in range(3)]
    results = at_once(*[partial(write, life, job) for job in jobs])
    tallies = sorted(it[1].inserted for it in results)
    assert tallies == [0, 0, 2]
    assert {life.found(job.id).status for job in jobs} == {Status.COMPLETED}


def test_a_file_of_two_blocks_is_loaded_in_steps(life: Life) -> None:
    job_id = life.pending(block_size=16)
    claim = life.leases.claim(job_id, owner="me", lease_seconds=60)
    assert claim is not None
    assert ingest(claim, ingester(life, MemoryStore(ROWS), life.writer), lambda: True) is Result.JOB_ENDED
    assert len(life.sql(f"SELECT FROM ingestion_blocks WHERE job_id = '{job_id}'")) > 2

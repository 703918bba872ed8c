"""Loading what the ledger does not cover, over ports in memory."""

from collections import deque
from dataclasses import replace

import pytest
from fakes import MemoryJobs, MemoryStore, new_job
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import JobFailed, RetryLater
from chalicelib.flow.ingest import Parts, ingest
from chalicelib.model import Job, Source, Status, Tally
from chalicelib.ports import LoadedBlock

FILE = b"a,b\n" + b"".join(f'{n},"x{n % 7}\n"\n'.encode() for n in range(120)) + b"short\n"


def parts(jobs: MemoryJobs, store: MemoryStore, **changes: object) -> Parts:
    made = Parts(jobs, store, lambda: jobs, max_upload=10_000, max_record=1000, loaders=2)
    return replace(made, **changes)  # type: ignore[arg-type]


def started(jobs: MemoryJobs, **changes: object) -> Job:
    return jobs.add(new_job(status=Status.PROCESSING, **changes))


def records(jobs: MemoryJobs, job: Job) -> set[str]:
    return {row for block in jobs.blocks[job.id].values() for row in block.rows["record"].to_pylist()}


def test_a_whole_file() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs)
    assert ingest(job, parts(jobs, store), lambda: True)
    assert jobs.jobs[job.id].status is Status.COMPLETED
    assert len(records(jobs, job)) == 120
    assert sum(block.records for block in jobs.blocks[job.id].values()) == 121


@given(st.sets(st.integers(0, 40)), st.integers(16, 200))
def test_any_gaps_are_filled_with_the_blocks_that_were_missing(lost: set[int], block_size: int) -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs, block_size=block_size)
    assert ingest(job, parts(jobs, store), lambda: True)
    whole = {no: (block.start, block.end, block.records) for no, block in jobs.blocks[job.id].items()}
    for no in lost & whole.keys():
        del jobs.blocks[job.id][no]
    again = replace(jobs.jobs[job.id], status=Status.PROCESSING)
    assert ingest(again, parts(jobs, store), lambda: True)
    found = {no: (block.start, block.end, block.records) for no, block in jobs.blocks[job.id].items()}
    assert found == whole


def test_a_stop_between_blocks_leaves_the_rest_for_later() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs)
    answers = iter([True, True, True, False])
    assert not ingest(job, parts(jobs, store), lambda: next(answers))
    assert len(jobs.blocks[job.id]) == 3
    assert jobs.jobs[job.id].status is Status.PROCESSING
    assert ingest(jobs.jobs[job.id], parts(jobs, store), lambda: True)
    assert len(records(jobs, job)) == 120


def test_header_only() -> None:
    jobs, store = MemoryJobs(), MemoryStore(b"a,b\r\n")
    job = started(jobs)
    assert ingest(job, parts(jobs, store), lambda: True)
    assert [(it.start, it.end, it.records) for it in jobs.blocks[job.id].values()] == [(0, 5, 0)]


def test_a_header_longer_than_a_block() -> None:
    jobs, store = MemoryJobs(), MemoryStore(b"a" * 300 + b",b\n1,2\n")
    job = started(jobs)
    assert ingest(job, parts(jobs, store), lambda: True)
    assert [(it.no, it.start, it.end) for it in jobs.blocks[job.id].values()] == [(4, 0, 307)]


@pytest.mark.parametrize(
    ("job", "data", "code"),
    [
        (new_job(), b"", "empty-file"),
        (new_job(declared_size=5), b"a,b\n", "size-mismatch"),
        (new_job(), b"a\n" * 10_000, "file-too-large"),
        (new_job(), b"PK\x03\x04", "unsupported-format"),
    ],
)
def test_a_file_that_cannot_be_loaded(job: Job, data: bytes, code: str) -> None:
    jobs, store = MemoryJobs(), MemoryStore(data)
    jobs.add(job)
    with pytest.raises(JobFailed) as raised:
        ingest(job, parts(jobs, store), lambda: True)
    assert raised.value.code == code
    assert not jobs.blocks


def test_a_file_that_changes_while_it_is_loaded() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs)
    answers = iter([True, False])
    ingest(job, parts(jobs, store), lambda: next(answers))
    store.etag = "e2"
    with pytest.raises(JobFailed) as raised:
        ingest(jobs.jobs[job.id], parts(jobs, store), lambda: True)
    assert raised.value.code == "source-changed"


def test_trouble_with_the_store_or_the_database_gets_out() -> None:
    jobs = MemoryJobs()
    job = started(jobs)
    with pytest.raises(RetryLater):
        ingest(job, parts(jobs, MemoryStore(FILE, errors=deque([RetryLater("S3")]))), lambda: True)
    jobs.down = True
    with pytest.raises(RetryLater):
        ingest(job, parts(jobs, MemoryStore(FILE)), lambda: True)


def test_a_block_that_another_worker_wrote_first_is_left_as_it_is() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs)

    class Raced(MemoryJobs):
        """Before each write of ours, another worker writes that block, every other time."""

        turns = 0

        def load(self, job: Job, block: LoadedBlock) -> Tally:
            self.turns += 1
            if self.turns % 2:
                super().load(job, block)
            return super().load(job, block)

    raced = Raced(jobs.jobs)
    assert ingest(job, parts(raced, store, loaders=1), lambda: True)
    assert len(records(raced, job)) == 120
    assert raced.jobs[job.id].status is Status.COMPLETED


def test_a_ledger_that_cannot_be_completed_is_a_failure_not_a_loop() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)

    class Forgetful(MemoryJobs):
        def load(self, job: Job, block: object) -> object:  # type: ignore[override]
            return None

    forgetful = Forgetful()
    job = started(forgetful)
    with pytest.raises(JobFailed) as raised:
        ingest(job, parts(forgetful, store), lambda: True)
    assert raised.value.code == "ledger-mismatch"
    assert not jobs.jobs


def test_the_source_that_was_pinned_first_is_read() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs)
    ingest(job, parts(jobs, store), lambda: True)
    assert jobs.jobs[job.id].source == Source("bucket", job.key, "e1", len(FILE))

"""Loading what the ledger does not cover, over ports in memory."""

import gzip
import json
import lzma
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import formats
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.errors import JobFailed, RetryLater
from chalicelib.core.jobs import Job
from chalicelib.core.model import Format, Options, Source, Status, Tally
from chalicelib.core.warnings import JobWarning
from chalicelib.service.ingestion import Result
from tests.support.examples import many
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.jobs import changed, new_job
from tests.support.noting import HEAD, NotingCsv
from tests.support.workers import ingest, new_ingester

FILE = b"a,b\n" + b"".join(f'{n},"x{n % 7}\n"\n'.encode() for n in range(120)) + b"short\n"


def started(jobs: MemoryJobs, **changes: object) -> Job:
    return jobs.put(new_job(status=Status.PROCESSING, **changes))


def resumed(jobs: MemoryJobs, job: Job) -> Job:
    return jobs.put(changed(jobs.jobs[job.id], status=Status.PROCESSING))


def records(jobs: MemoryJobs, job: Job) -> set[str]:
    return {row for block in jobs.blocks[job.id].values() for row in block.rows["record"].to_pylist()}


def test_a_file_is_loaded_completely() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs)
    assert ingest(job, new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED
    assert jobs.jobs[job.id].status is Status.COMPLETED
    assert len(records(jobs, job)) == 120
    assert sum(block.records for block in jobs.blocks[job.id].values()) == 121


# quotes that are never closed, ragged rows and long lines on the way
ODD_FILE = (
    FILE + b'1,"open\n2,b\n' + FILE[4:] + b'x","\n' * 40 + b"y" * 900 + b",z\n" + FILE[4:1000] + b'"open'
)


@pytest.mark.parametrize("data", [FILE, ODD_FILE], ids=["clean", "odd"])
@settings(max_examples=many(30))
@given(st.sets(st.integers(0, 60)), st.integers(16, 200))
def test_any_gaps_are_filled_with_the_blocks_that_were_missing(
    data: bytes, lost: set[int], block_size: int
) -> None:
    jobs, store = MemoryJobs(), MemoryStore(data)
    made = new_ingester(jobs, store, max_record=800)
    job = started(jobs, block_size=block_size)

    def ledger() -> dict[int, object]:
        return {
            no: (block.start, block.end, block.records, block.rejects)
            for no, block in jobs.blocks[job.id].items()
        }

    assert ingest(job, made, lambda: True) is Result.JOB_ENDED
    whole = ledger()
    for no in lost & whole.keys():
        del jobs.blocks[job.id][no]
    assert ingest(resumed(jobs, job), made, lambda: True) is Result.JOB_ENDED
    assert ledger() == whole


def test_a_stop_between_blocks_leaves_the_rest_for_later() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs)
    assert (
        ingest(job, new_ingester(jobs, store), lambda: len(jobs.blocks.get(job.id, ())) < 3)
        is Result.INTERRUPTED
    )
    assert 3 <= len(jobs.blocks[job.id]) <= 5  # with what was under way
    assert jobs.jobs[job.id].status is Status.PROCESSING
    assert ingest(jobs.jobs[job.id], new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED
    assert len(records(jobs, job)) == 120


def test_a_file_with_only_a_header_completes_without_records() -> None:
    jobs, store = MemoryJobs(), MemoryStore(b"a,b\r\n")
    job = started(jobs)
    assert ingest(job, new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED
    assert [(it.start, it.end, it.records) for it in jobs.blocks[job.id].values()] == [(0, 5, 0)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\n1\n", "The only record of the file was rejected, most often as missing-cell (1)."),
        (
            b"name,city\n1\n" + b"\0,2\n" * 1200,
            "All 1,201 records of the file were rejected, most often as nul-character (1,200)",
        ),
        (b"[7, 8]", "All 2 records of the file were rejected, most often as not-an-object (2)."),
    ],
    ids=["one", "many", "json"],
)
def test_a_file_whose_records_are_all_rejected_fails_its_job(data: bytes, message: str) -> None:
    jobs, store = MemoryJobs(), MemoryStore(data)
    job = started(jobs)
    assert ingest(job, new_ingester(jobs, store), lambda: True) is Result.JOB_FAILED
    failed = jobs.jobs[job.id]
    assert failed.status is Status.FAILED
    assert failed.outcome.error is not None
    assert failed.outcome.error.code == "nothing-loaded"
    assert failed.outcome.error.message.startswith(message)
    assert ingest(resumed(jobs, job), new_ingester(jobs, store), lambda: True) is Result.JOB_FAILED


@pytest.mark.parametrize("data", [b"a,b\n", b"a,b", b"[]", b"[\n]\n"])
def test_a_file_without_records_completes(data: bytes) -> None:
    jobs = MemoryJobs()
    job = started(jobs)
    assert ingest(job, new_ingester(jobs, MemoryStore(data)), lambda: True) is Result.JOB_ENDED
    assert jobs.jobs[job.id].status is Status.COMPLETED


def test_warnings_are_those_of_the_head_and_of_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "FORMATS", (NotingCsv(),))
    jobs, data = MemoryJobs(), b"a,b\n" + b"1,2\n" * 40 + b"3,odd\n" + b"4,odd mark\n"
    job = started(jobs)
    assert ingest(job, new_ingester(jobs, MemoryStore(data)), lambda: True) is Result.JOB_ENDED
    assert len(jobs.blocks[job.id]) > 1
    found = jobs.get(job.id)
    assert found is not None
    assert found.warnings == (
        JobWarning(HEAD.code, 1, 0, HEAD.example, None, 1),
        JobWarning("empty-extra-cells", 2, 164, "3,odd", 41, 42),
        JobWarning("byte-order-mark", 1, 170, "4,odd mark", 42, 43),
    )


def test_a_header_may_be_longer_than_a_block() -> None:
    jobs, store = MemoryJobs(), MemoryStore(b"a" * 300 + b",b\n1,2\n")
    job = started(jobs)
    assert ingest(job, new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED
    assert [(it.no, it.start, it.end) for it in jobs.blocks[job.id].values()] == [(4, 0, 307)]


@pytest.mark.parametrize(
    ("job", "data", "code"),
    [
        (new_job(), b"", "empty-file"),
        (new_job(size=5), b"a,b\n", "size-mismatch"),
        (new_job(), b"a\n" * 10_000, "file-too-large"),
        (new_job(), b"PK\x03\x04", "corrupt-file"),
    ],
)
def test_a_file_that_cannot_be_loaded_fails_its_job(job: Job, data: bytes, code: str) -> None:
    jobs, store = MemoryJobs(), MemoryStore(data)
    jobs.put(job)
    with pytest.raises(JobFailed) as raised:
        ingest(job, new_ingester(jobs, store), lambda: True)
    assert raised.value.code == code
    assert not jobs.blocks


def test_a_file_that_changes_while_it_is_loaded_fails_its_job() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs)
    ingest(job, new_ingester(jobs, store), lambda: not jobs.blocks.get(job.id))
    store.etag = "e2"
    with pytest.raises(JobFailed) as raised:
        ingest(jobs.jobs[job.id], new_ingester(jobs, store), lambda: True)
    assert raised.value.code == "source-changed"


class Replaced(MemoryJobs):
    """Once the last block has been written, the object is replaced or removed."""

    def __init__(self, store: MemoryStore, **after: Any) -> None:
        super().__init__()
        self._store, self._after = store, after

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        tally = super().write(job, block)
        if block.end == len(self._store.data):
            vars(self._store).update(self._after)
        return tally


def test_an_object_replaced_after_it_was_read_fails_its_job() -> None:
    store = MemoryStore(FILE)
    jobs = Replaced(store, etag="e2", data=b"a,b\n3,4\n")
    job = started(jobs)
    with pytest.raises(JobFailed) as raised:
        ingest(job, new_ingester(jobs, store), lambda: True)
    assert raised.value.code == "source-changed"
    assert jobs.jobs[job.id].status is Status.PROCESSING
    assert len(records(jobs, job)) == 120  # they stay, and stay accounted for


def test_a_newer_version_of_an_object_does_not_fail_its_job() -> None:
    store = MemoryStore(FILE, version_id="v1")
    jobs = Replaced(store, etag="e2", version_id="v2")
    job = started(jobs)
    assert ingest(job, new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED
    assert jobs.jobs[job.id].status is Status.COMPLETED


def test_an_object_removed_after_it_was_read_does_not_fail_its_job() -> None:
    store = MemoryStore(FILE)
    jobs = Replaced(store, missing=True)
    job = started(jobs)
    assert ingest(job, new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED
    assert jobs.jobs[job.id].status is Status.COMPLETED


@pytest.mark.parametrize("failure", [RetryLater("S3"), JobFailed("source-forbidden", "No.")])
def test_a_job_is_not_completed_while_nobody_can_see_its_object(failure: Exception) -> None:
    class Unseen(MemoryStore):
        seen = False

        def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
            if self.seen:
                raise failure
            self.seen = True
            return super().pin(bucket, key, version_id)

    jobs, store = MemoryJobs(), Unseen(FILE)
    job = started(jobs)
    with pytest.raises(type(failure)):
        ingest(job, new_ingester(jobs, store), lambda: True)
    assert jobs.jobs[job.id].status is Status.PROCESSING
    store.seen = False
    assert ingest(jobs.jobs[job.id], new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED


def test_an_error_of_the_store_or_the_database_is_raised() -> None:
    jobs = MemoryJobs()
    job = started(jobs)
    with pytest.raises(RetryLater):
        ingest(job, new_ingester(jobs, MemoryStore(FILE, errors=deque([RetryLater("S3")]))), lambda: True)
    jobs.down = True
    with pytest.raises(RetryLater):
        ingest(job, new_ingester(jobs, MemoryStore(FILE)), lambda: True)


def test_a_block_that_another_worker_wrote_first_is_left_as_it_is() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs)

    class Raced(MemoryJobs):
        """Before each write of ours, another worker writes that block, every other time."""

        turns = 0

        def write(self, job: Job, block: PreparedBlock) -> Tally:
            self.turns += 1
            if self.turns % 2:
                super().write(job, block)
            return super().write(job, block)

    raced = Raced(jobs.jobs)
    assert ingest(job, new_ingester(raced, store, loaders=1), lambda: True) is Result.JOB_ENDED
    assert len(records(raced, job)) == 120
    assert raced.jobs[job.id].status is Status.COMPLETED


def test_a_ledger_that_cannot_be_completed_is_a_failure_not_a_loop() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)

    class Forgetful(MemoryJobs):
        def write(self, job: Job, block: PreparedBlock) -> Tally:
            return Tally()

    forgetful = Forgetful()
    job = started(forgetful)
    with pytest.raises(JobFailed) as raised:
        ingest(job, new_ingester(forgetful, store), lambda: True)
    assert raised.value.code == "ledger-mismatch"
    assert not jobs.jobs


def test_the_source_that_was_pinned_first_is_read() -> None:
    jobs, store = MemoryJobs(), MemoryStore(FILE)
    job = started(jobs)
    ingest(job, new_ingester(jobs, store), lambda: True)
    assert jobs.jobs[job.id].source == Source("bucket", job.upload.key, "e1", len(FILE))


TEXT = "näme,b\n" + "".join(f'{n},"é\n{n % 7}"\n' for n in range(150))
KINDS: dict[str, Callable[[str], bytes]] = {
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip of two members": lambda text: gzip.compress(text[:50].encode()) + gzip.compress(text[50:].encode()),
    "xz": lambda text: lzma.compress(text.encode()),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "gzip of utf-16": lambda text: gzip.compress(text.encode("utf-16")),
    "utf-32 without a mark": lambda text: text.encode("utf-32-be"),
    "gzip of utf-16 without a mark": lambda text: gzip.compress(text.encode("utf-16-le")) + b"\n",
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=many(25))
@given(lost=st.sets(st.integers(0, 60)), block_size=st.integers(16, 300), stop=st.integers(1, 60))
def test_any_kind_of_file_gives_the_same_rows_and_can_be_resumed_anywhere(
    kind: str, lost: set[int], block_size: int, stop: int
) -> None:
    jobs, store = MemoryJobs(), MemoryStore(KINDS[kind](TEXT))
    job = started(jobs, block_size=block_size)
    ingest(job, new_ingester(jobs, store), lambda: len(jobs.blocks.get(job.id, ())) < stop)
    for no in lost & jobs.blocks.get(job.id, {}).keys():
        del jobs.blocks[job.id][no]
    assert ingest(resumed(jobs, job), new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED
    assert records(jobs, job) == {f'{{"b":"é\\n{n % 7}","näme":"{n}"}}' for n in range(150)}
    text = TEXT.encode("utf-8-sig" if kind == "utf-8 with a mark" else "utf-8")
    assert max(block.end for block in jobs.blocks[job.id].values()) == len(text)


@pytest.mark.parametrize("coded", ["utf-8", "utf-16", "gzip"])
@pytest.mark.parametrize("array", [True, False])
@settings(max_examples=many(15))
@given(lost=st.sets(st.integers(0, 60)), block_size=st.integers(16, 300), stop=st.integers(1, 60))
def test_json_gives_the_same_rows_and_can_be_resumed_anywhere(
    coded: str, array: bool, lost: set[int], block_size: int, stop: int
) -> None:
    values = [json.dumps({"n": n, "t": ["é", {"deep": n}]}, indent=n % 3 or None) for n in range(60)]
    text = "[" + ",\n".join(values) + " ]\n" if array else "\n".join(values)
    data = gzip.compress(text.encode()) if coded == "gzip" else text.encode(coded)
    jobs, store = MemoryJobs(), MemoryStore(data)
    job = started(jobs, block_size=block_size, format=Format.JSON)
    ingest(job, new_ingester(jobs, store), lambda: len(jobs.blocks.get(job.id, ())) < stop)
    for no in lost & jobs.blocks.get(job.id, {}).keys():
        del jobs.blocks[job.id][no]
    assert ingest(resumed(jobs, job), new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED
    assert records(jobs, job) == {f'{{"n":{n},"t":["é",{{"deep":{n}}}]}}' for n in range(60)}
    assert not any(block.rejects for block in jobs.blocks[job.id].values())


@pytest.mark.parametrize("block_size", [16, 100, 1 << 20])
def test_bytes_behind_compressed_data_fail_the_job_and_blanks_do_not(block_size: int) -> None:
    compressed = gzip.compress(TEXT.encode())
    jobs = MemoryJobs()
    job = started(jobs, block_size=block_size)
    for _ in range(2):  # so it is however often the job is taken up
        with pytest.raises(JobFailed, match="follow the end") as raised:
            ingest(job, new_ingester(jobs, MemoryStore(compressed + b"junk")), lambda: True)
        assert raised.value.code == "corrupt-file"
        assert max((it.end for it in jobs.blocks.get(job.id, {}).values()), default=0) < len(TEXT.encode())
        resumed(jobs, job)
    jobs = MemoryJobs()
    job = started(jobs, block_size=block_size)
    assert (
        ingest(job, new_ingester(jobs, MemoryStore(compressed + b"\r\n")), lambda: True) is Result.JOB_ENDED
    )


@pytest.mark.parametrize("kind", ["gzip", "xz"])
def test_a_file_that_ends_early_is_never_complete(kind: str) -> None:
    whole = KINDS[kind](TEXT)
    jobs, store = MemoryJobs(), MemoryStore(whole[:-9])
    job = started(jobs)
    with pytest.raises(JobFailed) as raised:
        ingest(job, new_ingester(jobs, store), lambda: True)
    assert raised.value.code == "corrupt-file"
    assert jobs.jobs[job.id].status is Status.PROCESSING


def test_a_broken_character_of_a_streamed_encoding_is_its_records_alone() -> None:
    data = "a,b\n1,x\n2,".encode("utf-16") + b"\x00\xdc" + "\n3,z\n".encode("utf-16-le")
    jobs, store = MemoryJobs(), MemoryStore(data)
    job = started(jobs)
    assert ingest(job, new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED
    assert records(jobs, job) == {'{"a":"1","b":"x"}', '{"a":"3","b":"z"}'}
    assert [it.code for block in jobs.blocks[job.id].values() for it in block.rejects] == ["encoding-error"]


def test_declared_options_are_followed() -> None:
    data = "Stand 2025\n# note\nName|Geb|Wert\nJos\xe9|24.9.2025|-1,50\n'Ada'|n/a|1.5\n".encode("latin-1")
    jobs, store = MemoryJobs(), MemoryStore(data)
    options = Options(
        encoding="latin-1",
        skip_lines=1,
        comment="#",
        quote="'",
        decimal=",",
        date_order="DMY",
        missing_values=("n/a",),
    )
    job = started(jobs, options=options)
    assert ingest(job, new_ingester(jobs, store), lambda: True) is Result.JOB_ENDED
    assert records(jobs, job) == {
        '{"Geb":"2025-09-24","Name":"José","Wert":"-1.50"}',
        '{"Name":"Ada","Wert":"1.5"}',
    }


def test_long_column_names_make_smaller_blocks() -> None:
    header = ",".join("x" * 600 + str(n) for n in range(40))
    jobs, store = MemoryJobs(), MemoryStore((header + "\n" + ("1," * 39 + "1\n") * 2000).encode())
    job = started(jobs, block_size=4 << 20)
    assert ingest(job, new_ingester(jobs, store, max_upload=1 << 30), lambda: True) is Result.JOB_ENDED
    assert jobs.jobs[job.id].block_size == (64 << 20) * 80 // (40 * 606 + 70)

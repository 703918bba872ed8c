"""The job register, the ledger and the sink on a real Postgres."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise, product
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.backends.postgres import database
from chalicelib.backends.postgres.blocks import PostgresBlocks
from chalicelib.backends.postgres.ingested_data import IngestedData
from chalicelib.backends.postgres.migrate import SchemaMismatch, migrate
from chalicelib.backends.postgres.register import PostgresRegister
from chalicelib.core.errors import BlockAlreadyCommitted, JobEnded, JobFailed, RetryLater
from chalicelib.core.jobs import Instructions, JobFilters, NewJob, Reading, Upload
from chalicelib.core.model import Format, Gap, Options, Source, Status, Tally
from chalicelib.interruption import Interrupted, interruptible
from tests.support.blocks import block
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.life import DIALECT, SMALL_SOURCE, Backend
from tests.support.partitions import in_either_table
from tests.support.workers import ingest, new_ingester


def test_creating_a_job_is_idempotent(backend: Backend) -> None:
    options = Options(delimiter=";", missing_values=("-",))
    new = NewJob(
        uuid4(), "crm", "f.csv", Upload("bucket", "key", 7), 64, Instructions(Format.CSV, options, {"a": 1})
    )
    first = backend.jobs.create(new)
    assert backend.jobs.create(new) == first == backend.jobs.get(new.id)
    assert first.instructions.options == options
    assert (first.dataset, first.instructions.format, first.upload.size, first.instructions.metadata) == (
        "crm",
        Format.CSV,
        7,
        {"a": 1},
    )


@in_either_table
def test_a_few_rows_are_written_as_many_are(backend: Backend) -> None:
    """Whichever way each block is written: what is counted and what is stored are the same."""
    blocks = [
        ["a", r"line\nfeed", "é,\u2028 \U0001f600", r"\\ \" \t", "a"],
        ["a", "b"],
        ["b", "c", "d"],
        ["d"],
    ]
    found = set()
    for number, fews in enumerate(product((0, 100), repeat=len(blocks))):
        dataset = f"set-{number}"
        jobs = [backend.job(dataset=dataset) for _ in range(2)]
        tallies = [
            PostgresBlocks(backend.pool, IngestedData(few=few)).write(jobs[no % 2], block(no, values))
            for no, (few, values) in enumerate(zip(fews, blocks, strict=True))
        ]
        first = jobs[0].number
        rows = backend.sql(
            f"SELECT record->>'v', content_hash, first_job - {first}, last_job - {first} FROM ingested_data"
            f" WHERE dataset_id = {jobs[0].dataset_id} ORDER BY 1"
        )
        found.add((tuple(tallies), tuple(rows)))
    assert len(found) == 1
    tallied, stored = found.pop()
    assert sum(tally.inserted for tally in tallied) == len(stored) == 7
    assert {"a", "line\nfeed", "é,\u2028 \U0001f600", '\\ " \t'} < {row[0] for row in stored}


@in_either_table
def test_inserted_duplicates_and_rejects_are_counted_and_add_up(backend: Backend) -> None:
    job, writer = backend.job(), backend.writer()
    assert writer.write(job, block(0, ["a", "b", "c", "a"])) == Tally(4, 3, 1, 0)
    assert writer.write(job, block(1, ["b", "c", "d"], rejects=2)) == Tally(5, 1, 2, 2)
    assert writer.write(job, block(2, ["d"])) == Tally(1, 0, 1, 0)  # by way of the staging table at once
    assert writer.write(job, block(3, ["e"])) == Tally(1, 1, 0, 0)
    assert writer.write(job, block(4, ["f"])) == Tally(1, 1, 0, 0)
    assert writer.write(job, block(5, [], rejects=1)) == Tally(1, 0, 0, 1)
    found = backend.jobs.get(job.id)
    assert found is not None
    assert found.progress.tally == Tally(13, 6, 4, 3)
    assert found.progress.bytes_processed == 60
    assert backend.sql("SELECT record->>'v' FROM ingested_data ORDER BY 1") == [(v,) for v in "abcdef"]
    stored = backend.sql(
        "SELECT content_hash, first_job, last_job FROM ingested_data WHERE record->>'v' = 'a'"
    )
    assert stored == [(hashlib.sha256(b'{"v":"a"}').digest(), job.number, job.number)]


@in_either_table
def test_datasets_are_apart_and_jobs_are_remembered(backend: Backend) -> None:
    first, second, other = backend.job(), backend.job(), backend.job(dataset="other")
    for job in (first, second, other):
        backend.load(job, block(0, ["a"]))
    assert backend.sql("SELECT dataset_id, first_job, last_job FROM ingested_data ORDER BY dataset_id") == [
        (first.dataset_id, first.number, second.number),
        (other.dataset_id, other.number, other.number),
    ]


@in_either_table
def test_a_row_has_the_labels_of_the_jobs_that_brought_it_first_and_last(backend: Backend) -> None:
    labels = ({"from": "x", "run": "1"}, {"between": "them"}, {"run": "2"})
    jobs = [backend.job(metadata=of_job) for of_job in labels]
    for job in jobs:
        backend.load(job, block(0, ["a"]))
    backend.load(backend.job(dataset="other"), block(0, ["a"]))

    assert backend.sql(
        "SELECT dataset, record, first_job_id, last_job_id, first_metadata, last_metadata, metadata"
        " FROM ingested_rows WHERE dataset = 'default'"
    ) == [("default", {"v": "a"}, jobs[0].id, jobs[2].id, labels[0], labels[2], {"from": "x", "run": "2"})]
    assert backend.sql("SELECT metadata, first_metadata FROM ingested_rows WHERE dataset = 'other'") == [
        (None, None)
    ]
    assert backend.sql("SELECT DISTINCT metadata FROM ingested_data") == [(None,)]


@in_either_table
def test_labels_that_an_earlier_version_stored_with_rows_stay(backend: Backend) -> None:
    for labels in ({"from": "x", "run": "1"}, {"run": "2"}):
        backend.load(backend.job(metadata=labels), block(0, ["a", "b"]))
    # as it wrote them, of all the jobs that had brought a row
    backend.change("""UPDATE ingested_data SET metadata = '{"from": "x", "run": "2", "between": "them"}'""")
    before = backend.sql("SELECT record, metadata FROM ingested_data ORDER BY content_hash")
    backend.load(backend.job(metadata={"run": "3"}), block(0, ["a"]))

    assert backend.sql("SELECT record, metadata FROM ingested_data ORDER BY content_hash") == before
    assert backend.sql("SELECT record ->> 'v', metadata FROM ingested_rows ORDER BY 1") == [
        ("a", {"from": "x", "run": "3", "between": "them"}),
        ("b", {"from": "x", "run": "2", "between": "them"}),
    ]


@in_either_table
def test_a_block_that_is_in_the_ledger_changes_nothing(backend: Backend) -> None:
    job, writer = backend.job(), backend.writer()
    writer.write(job, block(0, ["a"], rejects=1))
    with pytest.raises(BlockAlreadyCommitted):
        writer.write(job, block(0, ["b"], rejects=1))
    assert backend.sql("SELECT record->>'v' FROM ingested_data") == [("a",)]
    assert backend.sql("SELECT count(*) FROM validation_errors") == [(1,)]


@in_either_table
def test_workers_without_leases_commit_each_block_once(backend: Backend) -> None:
    """Without leases to keep them apart: the ledger's key alone must do."""
    lines = b"".join(b"%d,%d\n" % (number, number % 70) for number in range(4000))
    store = MemoryStore(b"a,b\n" + lines)
    job = backend.job(block_size=2048, source=store.pin("bucket", "key"))
    sizes = {"max_upload": 10**9, "max_record": 10**6}
    ingester = new_ingester(
        MemoryJobs(),
        store,
        ledger=backend.ledger,
        splits=backend.splits,
        new_writer=backend.writer,
        **sizes,
    )
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        with suppress(JobEnded):  # another was the last to finish
            ingest(job, ingester, lambda: True)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work) for _ in range(4)]:
            done.result()
    found = backend.jobs.get(job.id)
    assert found is not None
    assert (found.status, found.progress.tally) == (Status.COMPLETED, Tally(4000, 4000, 0, 0))
    assert backend.sql("SELECT count(*) FROM ingested_data") == [(4000,)]


def test_a_lease_keeps_others_out_until_it_ends(backend: Backend) -> None:
    job = backend.job()
    assert backend.leases.claim(job.id, owner="other", lease_seconds=60) is None
    assert backend.leases.renew(job.id, owner="me", lease_seconds=0)
    taken = backend.leases.claim(job.id, owner="other", lease_seconds=60)
    assert taken is not None
    assert taken.job.progress.attempts == 2
    assert not backend.leases.renew(job.id, owner="me", lease_seconds=60)
    backend.leases.release(job.id, owner="me", without_progress=True)  # not ours to release
    assert backend.leases.claim(job.id, owner="me", lease_seconds=60) is None
    backend.leases.release(job.id, owner="other", without_progress=True)
    assert backend.leases.claim(job.id, owner="me", lease_seconds=60) is not None


@in_either_table
def test_completion_needs_the_whole_object_and_every_reject(backend: Backend) -> None:
    job, writer = backend.job(), backend.writer()
    backend.ledger.measure(job, 30)
    writer.write(job, block(0, ["a"]))
    writer.write(job, block(2, ["b"], rejects=1))
    with pytest.raises(JobFailed, match="40 bytes"):
        backend.ledger.complete(job, 40)
    assert backend.ledger.gaps(job.id, 40) == [Gap(10, 20), Gap(30, 40)]
    with pytest.raises(JobFailed, match="10 to 20"):
        backend.ledger.complete(job, 30)
    writer.write(job, block(1, []))
    backend.sql("DELETE FROM validation_errors RETURNING 1")
    with pytest.raises(JobFailed, match="rejects"):
        backend.ledger.complete(job, 30)


def test_a_job_that_has_ended_stays_as_it_is(backend: Backend) -> None:
    job = backend.job()
    backend.ledger.measure(job, 10)
    backend.load(job, block(0, ["a"]))
    backend.ledger.complete(job, 10)
    assert not backend.ledger.fail(job, owner="me", code="code", message="message")
    backend.ledger.complete(job, 10)
    with pytest.raises(JobEnded):
        backend.load(job, block(1, ["b"]))
    assert backend.leases.claim(job.id, owner="me", lease_seconds=60) is None
    assert not backend.jobs.mark_arrived(job.id, Source("bucket", "key", "new", 1))
    found = backend.jobs.get(job.id)
    assert found is not None
    assert (found.status, found.outcome.error) == (Status.COMPLETED, None)


def test_the_first_to_open_a_job_pins_its_source(backend: Backend) -> None:
    job = backend.job()
    assert backend.open(job, SMALL_SOURCE, replace(DIALECT, delimiter=";"), 32) == job
    with pytest.raises(JobFailed) as raised:
        backend.open(job, replace(SMALL_SOURCE, etag="e2"), DIALECT, 64)
    assert raised.value.code == "source-changed"
    assert job.reading == Reading(SMALL_SOURCE, DIALECT, 64)
    assert backend.jobs.get(job.id) == job


def test_record_numbers_are_known_once_every_earlier_block_is_committed(backend: Backend) -> None:
    job, writer = backend.job(), backend.writer()
    writer.write(job, block(2, ["a"], rejects=2))
    writer.write(job, block(0, ["b", "c"], rejects=1))
    numbers = [it.place.record for it in backend.jobs.rejects(job.id, limit=10, after=None)]
    assert numbers == [3, None, None]
    writer.write(job, block(1, ["d", "e"]))
    found = backend.jobs.rejects(job.id, limit=10, after=None)
    assert [it.place.record for it in found] == [3, 7, 8]
    assert backend.jobs.rejects(job.id, limit=10, after=found[1].cursor) == [found[2]]


def test_jobs_are_listed_newest_first(backend: Backend) -> None:
    jobs = [backend.job(dataset=name) for name in ("a", "b", "a")]
    listed = backend.jobs.list(JobFilters(), limit=2, before=None)
    assert [job.id for job in listed] == [jobs[2].id, jobs[1].id]
    rest = backend.jobs.list(JobFilters(), limit=2, before=listed[-1].number)
    assert [job.id for job in rest] == [jobs[0].id]
    only = backend.jobs.list(JobFilters(status=Status.PROCESSING, dataset="a"), limit=9, before=None)
    assert [job.id for job in only] == [jobs[2].id, jobs[0].id]
    assert not backend.jobs.list(JobFilters(status=Status.FAILED), limit=9, before=None)
    second = listed[1].times.created_at
    later = backend.jobs.list(JobFilters(since=second), limit=9, before=None)
    assert [job.id for job in later] == [jobs[2].id, jobs[1].id]
    earlier = backend.jobs.list(JobFilters(until=second), limit=9, before=None)
    assert [job.id for job in earlier] == [jobs[0].id]
    assert not backend.jobs.list(JobFilters(since=second, until=second), limit=9, before=None)


def test_a_list_reads_neither_labels_nor_columns(backend: Backend) -> None:
    made = backend.job(metadata={"from": "x"})
    wide = f'{{"columns": {json.dumps(["name"] * 1000)}, "decimal_columns": ["name"]}}'
    backend.change(f"UPDATE ingestion_jobs SET detected = detected || '{wide}'")

    (listed,) = backend.jobs.list(JobFilters(), limit=9, before=None)

    assert listed.instructions.metadata is None
    assert listed.reading
    assert (listed.reading.dialect.columns, listed.reading.dialect.decimal_columns) == ((), None)
    whole = backend.found(made.id)
    assert whole.reading
    assert len(whole.reading.dialect.columns) == 1000
    dialect = replace(whole.reading.dialect, columns=(), decimal_columns=None)
    instructions = replace(whole.instructions, metadata=None)
    assert listed == replace(
        whole, instructions=instructions, reading=replace(whole.reading, dialect=dialect)
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_gaps_are_what_no_block_covers(backend: Backend, order: list[int], loaded: set[int]) -> None:
    job, writer = backend.job(), backend.writer()
    for no in order:
        if no in loaded:
            writer.write(job, block(no, [str(no)]))
    missing = {byte for no in set(range(8)) - loaded for byte in range(no * 10, no * 10 + 10)}
    gaps = [(gap.start, gap.end) for gap in backend.ledger.gaps(job.id, 80)]
    assert [byte for start, end in gaps for byte in range(start, end or 0)] == sorted(missing)
    assert all(end is not None and end < start for (_, end), (start, _) in pairwise(gaps))


def test_an_unreachable_database_is_retried_later() -> None:
    pool = database.Pool("postgresql://sluice@127.0.0.1:1/sluice", size=1, wait_seconds=0.2)
    with pytest.raises(RetryLater):
        PostgresRegister(pool).ping()
    pool.close()


def test_a_connection_that_broke_while_idle_is_replaced(backend: Backend) -> None:
    backend.jobs.ping()
    with psycopg.connect(backend.url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    backend.jobs.ping()


def test_concurrent_migrations_apply_each_file_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = [it.result() for it in [pool.submit(migrate, empty_database_url) for _ in range(4)]]
    assert sorted(map(len, applied)) == [0, 0, 0, len(max(applied, key=len))]
    assert migrate(empty_database_url) == []


def test_a_schema_of_another_version_is_refused(empty_database_url: str) -> None:
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("UPDATE schema_migrations SET sha256 = 'other'")
    with pytest.raises(SchemaMismatch):
        migrate(empty_database_url)


def test_an_unknown_job_is_none(backend: Backend) -> None:
    unknown: UUID = uuid4()
    assert backend.jobs.get(unknown) is None
    assert backend.leases.claim(unknown, owner="me", lease_seconds=1) is None
    assert not backend.jobs.mark_arrived(unknown, Source("b", "k", "e", 1))


@pytest.mark.parametrize("statement", ["mark_existing", "find_existing"])
def test_hashes_are_looked_up_in_the_index_whatever_postgres_thinks(backend: Backend, statement: str) -> None:
    """The other way round, each row of the table is compared with each hash: that takes hours."""
    queries = database.load_queries("ingested_data.sql")
    parameters = {"job": 2, "dataset": 1, "hashes": bytes(64), "count": 2}
    with psycopg.connect(backend.url) as connection:
        connection.execute("ANALYZE ingested_data")  # it is empty: that is what Postgres knows of it
        connection.execute(
            "INSERT INTO ingested_data (first_job, last_job, dataset_id, content_hash, record)"
            " SELECT 1, 1, 1, sha256(i::text::bytea), '{}' FROM generate_series(1, 20000) AS i"
        )
        connection.execute(queries["use_indexes"])
        explained = connection.execute(f"EXPLAIN {queries[statement]}".encode(), parameters).fetchall()
    scans = [line for (line,) in explained if "on generate_series" in line or "on ingested_data" in line]
    assert ["Function Scan" in line for line in scans][-2:] == [True, False]
    assert "Index" in scans[-1]


@pytest.mark.parametrize("few", [0, 100])
def test_a_block_that_waits_for_a_lock_is_given_up_when_its_job_should_stop(
    backend: Backend, *, few: int
) -> None:
    """Postgres itself ends the wait after ten seconds: then it would be an outage."""
    job = backend.job()
    statement = "INSERT INTO ingested_data (first_job, last_job, dataset_id, content_hash, record)"
    row = (job.dataset_id, hashlib.sha256(b'{"v":"a"}').digest(), '{"v":"a"}')
    writer = PostgresBlocks(backend.pool, IngestedData(few=few))
    with psycopg.connect(backend.url) as other:
        other.execute(f"{statement} VALUES (0, 0, %s, %s, %s)".encode(), row)
        with pytest.raises(Interrupted), interruptible(lambda: False):
            writer.write(job, block(0, ["a"]))
        other.rollback()
    assert writer.write(job, block(0, ["a"])) == Tally(1, 1, 0, 0)

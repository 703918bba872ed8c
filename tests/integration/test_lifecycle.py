"""The life of a job on a real Postgres: what leads to what; cancel and retry."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from chalicelib.backends.postgres.records import PostgresRecords
from chalicelib.backends.postgres.upkeep import PostgresUpkeep
from chalicelib.core.errors import JobEnded, JobFailed, NotPossible, RetryLater
from chalicelib.core.lifecycle import TRANSITIONS, Action, possible
from chalicelib.core.model import Job, Options, Source, Status, Tally, Upload
from chalicelib.core.ports import LoadedBlock, NewJob
from tests.integration.test_postgres import DIALECT, World, block
from tests.support.harness import PATIENCE

DAY = 24 * 3600
SOURCE = Source("bucket", "key", "e1", 70, "v1", "checksum")
UNFINISHED = (Status.PENDING, Status.PROCESSING)

# How a job comes into each status; what it has loaded by then is one block, unless it never was PROCESSING.
WAYS: Mapping[Status, tuple[Action, ...]] = {
    Status.PENDING: (),
    Status.PROCESSING: (Action.CLAIM,),
    Status.COMPLETED: (Action.CLAIM, Action.COMPLETE),
    Status.FAILED: (Action.CLAIM, Action.FAIL),
    Status.CANCELED: (Action.CLAIM, Action.CANCEL),
    Status.EXPIRED: (Action.EXPIRE,),
    Status.UNDOING: (Action.CLAIM, Action.FAIL, Action.UNDO, Action.CLAIM),
    Status.UNDONE: (Action.CLAIM, Action.COMPLETE, Action.UNDO, Action.CLAIM, Action.FINISH_UNDO),
}
# What the table does not have and is no error: it changes no status.
QUIET = {(Status.UNDOING, Action.CLAIM), (Status.COMPLETED, Action.COMPLETE)}


class Life(World):
    """The backend over a fresh database, and time that passes when it is told to."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{url}?options=-c%20lock_timeout%3D30s")  # a test that waits for itself fails
        self.upkeep = PostgresUpkeep(self.pool)

    def pending(self) -> UUID:
        new = NewJob(uuid4(), "default", "f.csv", "bucket", "key", None, Options(), None, 64, Upload())
        return self.jobs.create(new).id

    def found(self, job_id: UUID) -> Job:
        job = self.jobs.get(job_id)
        assert job is not None
        return job

    def load(self, job: Job, loaded: LoadedBlock) -> Tally:
        return PostgresRecords(self.pool).load(job, loaded)

    def job_in(self, status: Status) -> UUID:
        job_id = self.pending()
        for step, action in enumerate(WAYS[status]):
            assert self.do(job_id, action), action
            if step == 0 and action is Action.CLAIM:
                job = self.claims.open(self.found(job_id), SOURCE, DIALECT, 10)
                self.load(job, block(0, [f"row of {job_id}"], rejects=1))
                self.claims.measure(job, 10)
        assert self.found(job_id).status is status
        return job_id

    def do(self, job_id: UUID, action: Action, owner: str = "me") -> bool:
        """Whether the ports let it happen."""
        ports: Mapping[Action, Callable[[], Any]] = {
            Action.CLAIM: lambda: self.claims.claim(job_id, owner=owner, lease_seconds=60),
            Action.COMPLETE: lambda: (
                self.claims.complete(job_id, self.found(job_id).bytes_processed) is not None
            ),
            Action.FAIL: lambda: self.claims.fail(job_id, owner=owner, code="code", message="Why."),
            Action.EXPIRE: lambda: self.upkeep.expire(job_id),
            Action.FINISH_UNDO: lambda: self.claims.undo(
                self.found(job_id), owner=owner, keep_going=lambda: True
            ),
        }
        try:
            if action in ports:
                return bool(ports[action]())
            acted = self.jobs.act(job_id, action)
        except (NotPossible, JobEnded):
            return False
        assert acted == self.found(job_id)
        return True

    def everything(self) -> list[tuple[object, ...]]:
        """Every row of every table, to see that nothing changed."""
        tables = (
            *("ingestion_jobs", "ingestion_blocks", "ingestion_ranges"),
            *("validation_errors", "ingested_data"),
        )
        parts = [f"SELECT '{name}', it::text FROM {name} AS it" for name in tables]
        return self.sql(" UNION ALL ".join(parts) + " ORDER BY 1, 2")

    def change(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())

    def later(self, seconds: float) -> None:
        """As if so much time had passed."""
        shift = f"'%1$I = %1$I - make_interval(secs => {seconds})'"
        shifts = self.sql(
            f"SELECT table_name, string_agg(format({shift}, column_name), ', ')"
            " FROM information_schema.columns"
            " WHERE table_name IN ('ingestion_jobs', 'ingestion_blocks', 'ingestion_ranges')"
            " AND data_type LIKE 'timestamp%'"
            " GROUP BY table_name"
        )
        for table, shifted in shifts:
            self.change(f"UPDATE {table} SET {shifted}")

    @contextmanager
    def meanwhile(self, statement: str) -> Iterator[None]:
        """The statement's transaction is open meanwhile, and committed then."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())
            yield

    def until_waiting(self, count: int) -> None:
        """Comes back once so many of the backend's connections wait for a lock."""
        deadline = time.monotonic() + PATIENCE
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'sluice' AND wait_event_type = 'Lock'"
        )
        while self.sql(waiting) != [(count,)]:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("status", Status)
def test_the_ports_do_what_the_table_says_and_nothing_else(life: Life, status: Status) -> None:
    for action in Action:
        job_id = life.job_in(status)
        before = life.everything()
        happened = life.do(job_id, action)
        if (status, action) in QUIET:
            assert happened
            assert life.found(job_id).status is status
        elif action in possible(status):
            assert happened, action
            assert life.found(job_id).status is TRANSITIONS[action].after
        else:
            assert not happened, action
            assert life.everything() == before, action


@pytest.mark.parametrize("status", [it for it in Status if it is not Status.PROCESSING])
def test_no_block_is_committed_unless_the_job_is_processing(life: Life, status: Status) -> None:
    job = life.found(life.job_in(status))
    life.load(life.job(), block(0, ["of another"]))
    before = life.everything()
    for values in (["new"], ["of another", "new"], []):  # by COPY, by way of the staging table, without rows
        with pytest.raises(JobEnded):
            life.load(job, block(1, values, rejects=1))
    assert life.everything() == before


@pytest.mark.parametrize("status", Status)
def test_the_database_itself_refuses_what_cannot_be(life: Life, status: Status) -> None:
    job_id = life.job_in(status)
    wrong = ["status = 'GONE'", f"completed_at = {'now()' if status in UNFINISHED else 'NULL'}"]
    if status is Status.FAILED:
        wrong.append("error_code = NULL")
    if status in (*UNFINISHED, Status.COMPLETED):
        wrong.append("error_code = 'code'")
    for change in wrong:
        with pytest.raises(errors.CheckViolation):
            life.change(f"UPDATE ingestion_jobs SET {change} WHERE id = '{job_id}'")


def test_nobody_can_act_on_a_job_that_is_not_there(life: Life) -> None:
    assert [life.jobs.act(uuid4(), it) for it in (Action.CANCEL, Action.RETRY, Action.UNDO)] == [None] * 3


def test_a_worker_learns_that_its_job_was_canceled(life: Life) -> None:
    job = life.job()
    assert life.claims.renew(job.id, owner="me", lease_seconds=60)
    life.jobs.act(job.id, Action.CANCEL)
    assert not life.claims.renew(job.id, owner="me", lease_seconds=60)
    life.claims.release(job.id, owner="me", vain=False)  # as it lets go, nothing changes
    assert (life.found(job.id).status, life.found(job.id).vain_attempts) == (Status.CANCELED, 1)


def test_cancel_waits_for_a_block_that_is_being_committed(life: Life) -> None:
    job = life.job()
    with ThreadPoolExecutor() as threads:
        with life.meanwhile("LOCK TABLE validation_errors IN SHARE MODE"):
            loading = threads.submit(life.load, job, block(0, ["a"], rejects=1))
            life.until_waiting(1)  # its rows and the ledger's row are written
            canceling = threads.submit(life.jobs.act, job.id, Action.CANCEL)
            life.until_waiting(2)
        assert loading.result() == Tally(2, 1, 0, 1)
    canceled = canceling.result()
    assert canceled is not None
    assert (canceled.status, canceled.tally) == (Status.CANCELED, Tally(2, 1, 0, 1))


def test_cancel_and_a_block_whose_connection_breaks(life: Life) -> None:
    job = life.job()
    with ThreadPoolExecutor() as threads:
        with life.meanwhile("LOCK TABLE validation_errors IN SHARE MODE"):
            loading = threads.submit(life.load, job, block(0, ["a"], rejects=1))
            life.until_waiting(1)
            canceling = threads.submit(life.jobs.act, job.id, Action.CANCEL)
            life.until_waiting(2)
            life.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'COPY validation_errors%'"
            )
        with pytest.raises(RetryLater):
            loading.result()
    canceled = canceling.result()
    assert canceled is not None
    assert (canceled.status, canceled.tally) == (Status.CANCELED, Tally())
    assert life.sql("SELECT FROM ingested_data UNION ALL SELECT FROM ingestion_blocks") == []


def test_a_block_waits_for_a_cancel_and_is_rolled_back_whole(life: Life) -> None:
    job = life.job()
    cancel = (
        "SELECT pg_advisory_xact_lock(hashtextextended(id::text, 0)) FROM ingestion_jobs;"
        "UPDATE ingestion_jobs SET status = 'CANCELED', completed_at = now()"
    )
    with ThreadPoolExecutor() as threads:
        with life.meanwhile(cancel):
            loading = threads.submit(life.load, job, block(0, ["a"], rejects=1))
            life.until_waiting(1)  # its rows are written
        with pytest.raises(JobEnded):
            loading.result()
    assert life.sql("SELECT FROM ingested_data UNION ALL SELECT FROM ingestion_blocks") == []


def test_blocks_without_end_do_not_overtake_a_cancel(life: Life) -> None:
    job, numbers = life.job(), count()

    def load_on() -> None:
        while True:
            life.load(job, block(next(numbers), [], rejects=20_000))

    with ThreadPoolExecutor() as threads:
        loaders = [threads.submit(load_on) for _ in range(4)]
        while not life.found(job.id).tally.records:
            assert not any(it.done() for it in loaders)
        life.jobs.act(job.id, Action.CANCEL)  # gives up after 10 s
        for loader in loaders:
            assert isinstance(loader.exception(), JobEnded)


def opened(life: Life, *, blocks: int) -> Job:
    job = life.job(source=SOURCE)
    life.claims.measure(job, 70)
    for no in range(blocks):
        life.load(job, block(no, [f"{no}"], rejects=1))
    return life.found(job.id)


@pytest.mark.parametrize("ending", [Action.FAIL, Action.CANCEL])
@pytest.mark.parametrize("blocks", [0, 2])
def test_a_retried_job_goes_on_from_what_it_had_loaded(life: Life, ending: Action, blocks: int) -> None:
    job = opened(life, blocks=blocks)
    assert life.do(job.id, ending)
    retried = life.jobs.act(job.id, Action.RETRY)
    assert retried is not None
    assert (retried.status, retried.error, retried.completed_at) == (Status.PENDING, None, None)
    assert (retried.vain_attempts, retried.attempts, retried.tally) == (0, 1, job.tally)
    fixed = (SOURCE, DIALECT, 70) if blocks else (None, None, None)
    assert (retried.source, retried.dialect, retried.text_size) == fixed
    taken = life.claims.claim(job.id, owner="other", lease_seconds=60)
    assert taken is not None
    assert (taken.vain_attempts, taken.attempts) == (1, 2)
    other = replace(SOURCE, etag="e2")
    if blocks:
        with pytest.raises(JobFailed, match="replaced"):
            life.claims.open(taken, other, DIALECT, 10)
    else:
        with pytest.raises(JobEnded):
            life.claims.open(job, SOURCE, DIALECT, 10)  # by a worker from before the retry
        assert life.claims.open(taken, other, DIALECT, 10).source == other


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELED])
def test_a_job_whose_ledger_was_purged_cannot_be_retried(life: Life, status: Status) -> None:
    job_id = life.job_in(status)
    life.later(31 * DAY)
    assert life.upkeep.purge(days=30, limit=9) == 1
    before = life.everything()
    with pytest.raises(NotPossible, match="upload the file again"):
        life.jobs.act(job_id, Action.RETRY)
    assert life.everything() == before
    assert life.do(job_id, Action.UNDO)

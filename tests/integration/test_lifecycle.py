"""The life of a job on a real Postgres: what leads to what; cancel and retry."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import count
from threading import Event
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from chalicelib.backends.postgres.database import APPLICATION
from chalicelib.backends.postgres.holding import Patience
from chalicelib.backends.postgres.register import PostgresRegister
from chalicelib.core.errors import JobEnded, JobFailed, NotPossible, RetryLater
from chalicelib.core.jobs import Changes, Job, Reading
from chalicelib.core.lifecycle import TRANSITIONS, Action, possible
from chalicelib.core.model import Reject, Status, Tally
from tests.support.blocks import block
from tests.support.life import DAY, DIALECT, QUIET, SOURCE, UNFINISHED, Life


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
def test_the_databases_constraints_refuse_impossible_states(life: Life, status: Status) -> None:
    job_id = life.job_in(status)
    wrong = ["status = 'GONE'", f"completed_at = {'now()' if status in UNFINISHED else 'NULL'}"]
    if status is Status.FAILED:
        wrong.append("error_code = NULL")
    if status in (*UNFINISHED, Status.COMPLETED):
        wrong.append("error_code = 'code'")
    for change in wrong:
        with pytest.raises(errors.CheckViolation):
            life.change(f"UPDATE ingestion_jobs SET {change} WHERE id = '{job_id}'")


def test_an_action_on_an_unknown_job_does_nothing(life: Life) -> None:
    assert [life.jobs.act(uuid4(), it) for it in (Action.CANCEL, Action.RETRY, Action.UNDO)] == [None] * 3


def test_a_worker_learns_that_its_job_was_canceled(life: Life) -> None:
    job = life.job()
    assert life.leases.renew(job.id, owner="me", lease_seconds=60)
    life.jobs.act(job.id, Action.CANCEL)
    assert not life.leases.renew(job.id, owner="me", lease_seconds=60)
    life.leases.release(job.id, owner="me", without_progress=False)  # as it lets go, nothing changes
    assert (life.found(job.id).status, life.found(job.id).progress.attempts_without_progress) == (
        Status.CANCELED,
        1,
    )


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
    assert (canceled.status, canceled.progress.tally) == (Status.CANCELED, Tally(2, 1, 0, 1))


def test_cancel_continues_when_the_connection_of_a_waiting_block_breaks(life: Life) -> None:
    job = life.job()
    with ThreadPoolExecutor() as threads:
        with life.meanwhile("LOCK TABLE validation_errors IN SHARE MODE"):
            loading = threads.submit(life.load, job, block(0, ["a"], rejects=1))
            life.until_waiting(1)
            canceling = threads.submit(life.jobs.act, job.id, Action.CANCEL)
            life.until_waiting(2)
            life.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'INSERT INTO validation_errors%'"
            )
        with pytest.raises(RetryLater):
            loading.result()
    canceled = canceling.result()
    assert canceled is not None
    assert (canceled.status, canceled.progress.tally) == (Status.CANCELED, Tally())
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


class Held(Sequence[Reject]):
    """Rejects of which the block's transaction gets no more than the first until they are released."""

    def __init__(self) -> None:
        self.reached, self.released = Event(), Event()

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        if index == 0:
            return Reject("missing-cell", "Too few.", 0, 0, "raw")
        self.reached.set()
        assert self.released.wait(60)
        raise IndexError


def hasty(life: Life) -> PostgresRegister:
    return PostgresRegister(life.pool, Patience(commit=0.1, longest=30))


def test_cancel_ends_a_block_that_does_not_come_to_its_commit(life: Life) -> None:
    job, other, rejects = life.job(), life.job(), Held()
    with ThreadPoolExecutor() as threads:
        loading = threads.submit(life.load, job, replace(block(0, ["a"]), records=3, rejects=rejects))
        assert rejects.reached.wait(60)
        beside = Held()
        of_other = threads.submit(life.load, other, replace(block(0, ["b"]), records=2, rejects=beside))
        assert beside.reached.wait(60)
        canceled = hasty(life).act(job.id, Action.CANCEL)
        assert canceled is not None
        assert (canceled.status, canceled.progress.tally) == (Status.CANCELED, Tally())
        rejects.released.set()
        beside.released.set()
        with pytest.raises(RetryLater):
            loading.result()
        assert of_other.result().inserted == 1  # its transaction was none of those that were ended
    with pytest.raises(JobEnded):
        life.load(job, block(0, ["a"], rejects=1))
    assert life.sql("SELECT record->>'v' FROM ingested_data") == [("b",)]


ADMITTED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('{}', 0))"
RENEWED = "UPDATE ingestion_jobs SET lease_until = now() WHERE id = '{}'"


@pytest.mark.parametrize("statement", [ADMITTED, RENEWED], ids=["block", "heartbeat"])
@pytest.mark.parametrize(
    ("status", "action"), [(Status.PROCESSING, Action.CANCEL), (Status.COMPLETED, Action.UNDO)]
)
def test_an_action_ends_the_transaction_of_a_frozen_process(
    life: Life, status: Status, action: Action, statement: str
) -> None:
    job_id, other_id = life.job_in(status), life.job_in(status)
    frozen, beside = (psycopg.connect(life.url, application_name=APPLICATION) for _ in range(2))
    with closing(frozen), closing(beside):
        frozen.execute(statement.format(job_id).encode())
        beside.execute(ADMITTED.format(other_id).encode())
        acted = hasty(life).act(job_id, action)
        assert acted is not None
        assert acted.status is TRANSITIONS[action].after
        with pytest.raises(errors.AdminShutdown):
            frozen.execute("SELECT 1")
        beside.execute("SELECT 1")


def test_an_action_ends_no_transaction_of_another_program(life: Life) -> None:
    job = life.job()
    impatient = PostgresRegister(life.pool, Patience(commit=0.1, again=0.1, longest=1, idle=0))
    with psycopg.connect(life.url) as connection:
        connection.execute(RENEWED.format(job.id).encode())
        with pytest.raises(RetryLater):
            impatient.act(job.id, Action.CANCEL)
        connection.execute("SELECT 1")
    assert life.found(job.id).status is Status.PROCESSING


def test_an_action_that_the_job_does_not_allow_ends_no_block(life: Life) -> None:
    job, rejects = life.job(), Held()
    with ThreadPoolExecutor() as threads:
        loading = threads.submit(life.load, job, replace(block(0, ["a"]), records=3, rejects=rejects))
        assert rejects.reached.wait(60)
        with pytest.raises(NotPossible):
            hasty(life).act(job.id, Action.UNDO)
        with pytest.raises(NotPossible):
            hasty(life).reread(job.id, Changes())
        with pytest.raises(NotPossible):
            hasty(life).load(job.id, None)
        rejects.released.set()
        assert loading.result().inserted == 1


def test_an_endless_stream_of_blocks_does_not_starve_a_cancel(life: Life) -> None:
    job, numbers = life.job(), count()

    def load_on() -> None:
        while True:
            life.load(job, block(next(numbers), [], rejects=5_000))

    with ThreadPoolExecutor() as threads:
        loaders = [threads.submit(load_on) for _ in range(4)]
        while not life.found(job.id).progress.tally.records:
            assert not any(it.done() for it in loaders)
        life.jobs.act(job.id, Action.CANCEL)  # gives up after 10 s
        for loader in loaders:
            assert isinstance(loader.exception(), JobEnded)


def opened(life: Life, *, blocks: int) -> Job:
    job = life.job(source=SOURCE)
    life.ledger.measure(job, 70)
    for no in range(blocks):
        life.load(job, block(no, [f"{no}"], rejects=1))
    return life.found(job.id)


@pytest.mark.parametrize("ending", [Action.FAIL, Action.CANCEL])
@pytest.mark.parametrize("blocks", [0, 2])
def test_a_retried_job_continues_from_its_ledger(life: Life, ending: Action, blocks: int) -> None:
    job = opened(life, blocks=blocks)
    assert life.do(job.id, ending)
    retried = life.jobs.act(job.id, Action.RETRY)
    assert retried is not None
    assert (retried.status, retried.outcome.error, retried.times.completed_at) == (Status.PENDING, None, None)
    assert (
        retried.progress.attempts_without_progress,
        retried.progress.attempts,
        retried.progress.tally,
    ) == (0, 1, job.progress.tally)
    assert retried.source == (SOURCE if blocks else None)
    assert retried.reading == (Reading(SOURCE, DIALECT, job.block_size, text_size=70) if blocks else None)
    taken = life.leases.claim(job.id, owner="other", lease_seconds=60)
    assert taken is not None
    assert (taken.attempts_without_progress, taken.job.progress.attempts) == (1, 2)
    other = replace(SOURCE, etag="e2")
    if blocks:
        with pytest.raises(JobFailed, match="replaced"):
            life.open(taken.job, other, DIALECT, 10)
    else:
        with pytest.raises(JobEnded):
            life.open(job, SOURCE, DIALECT, 10)  # by a worker from before the retry
        assert life.open(taken.job, other, DIALECT, 10).source == other


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

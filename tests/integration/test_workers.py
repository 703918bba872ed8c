"""Signs of life in Postgres, and what jobs wait for."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chalicelib.backends.postgres.database import Pool
from chalicelib.backends.postgres.register import PostgresRegister
from chalicelib.core.dependencies import Dependency
from chalicelib.core.jobs import Changes, Job, JobFilters
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Range, Status
from chalicelib.core.waiting import Obstacle, Waiting, waiting_for
from chalicelib.core.workers import (
    STUCK_SECONDS,
    SignOfLife,
    SlotReport,
    SlotWait,
    Worker,
    WorkerKind,
    WorkerState,
)
from infra.local.workers import worker_lines
from tests.support.blocks import block
from tests.support.csv_files import rows
from tests.support.life import DIALECT, SMALL_SOURCE, SOURCE, Life, at_once
from tests.support.worker_processes import Sluice

NAME = "host-1-ab"
OWNER = f"{NAME}/01"


def sign(*jobs: SlotReport, name: str = NAME, seconds: float = 60) -> SignOfLife:
    return SignOfLife(name, WorkerKind.PROCESS, "0.1.0", seconds, 5, 2, jobs)


def report(job_id: UUID, owner: str = OWNER, *, idle: float = 0, wait: SlotWait | None = None) -> SlotReport:
    return SlotReport(job_id, owner, 100, idle, wait)


def listed(life: Life) -> list[Worker]:
    return list(life.workers.list(limit=100, before=None))


def waits(job: Job) -> Waiting | None:
    return waiting_for(job, datetime.now(UTC))


def waits_for_database(job: Job) -> bool:
    waiting = waits(job)
    return waiting is not None and waiting.what is Obstacle.DATABASE


def held(life: Life, owner: str = OWNER) -> UUID:
    """Return a job that has been held for ten seconds."""
    job_id = life.pending()
    assert life.leases.claim(job_id, owner=owner, lease_seconds=60)
    life.later(10)
    return job_id


def test_a_sign_of_life_replaces_the_last_one(life: Life) -> None:
    job_id = life.pending()
    life.workers.renew(sign())
    life.later(4)
    (before,) = listed(life)
    life.workers.renew(sign(report(job_id, idle=3, wait=SlotWait(Dependency.QUEUE, "No answer.", 7))))
    (after,) = listed(life)
    assert (before.name, before.state, before.jobs) == (NAME, WorkerState.IDLE, ())
    assert (after.number, after.started_at) == (before.number, before.started_at)
    assert 3 < (after.seen_at - before.seen_at).total_seconds() < 60
    assert after.state is WorkerState.WORKING
    (work,) = after.jobs
    assert (work.job_id, work.owner) == (job_id, OWNER)
    times = (work.since, work.progress_at, work.wait and work.wait.since)
    assert times == tuple(after.seen_at - timedelta(seconds=age) for age in (100, 3, 7))


def test_a_worker_is_silent_by_the_clock_of_the_database(life: Life) -> None:
    life.workers.renew(sign())
    life.later(14)
    assert [it.state for it in listed(life)] == [WorkerState.IDLE]
    life.later(2)
    assert [it.state for it in listed(life)] == [WorkerState.SILENT]


def test_workers_are_listed_in_pages_and_removed(life: Life) -> None:
    for name in "abc":
        life.workers.renew(sign(name=name))
    first = life.workers.list(limit=2, before=None)
    rest = life.workers.list(limit=2, before=first[-1].number)
    assert [[it.name for it in page] for page in (first, rest)] == [["c", "b"], ["a"]]
    life.workers.remove("b")
    life.workers.remove("unknown")
    assert [it.name for it in listed(life)] == ["c", "a"]


def test_a_lost_worker_is_forgotten_after_a_day(life: Life) -> None:
    life.workers.renew(sign(name="lost"))
    life.later(24 * 3600 - 60)
    life.workers.renew(sign())
    assert life.upkeep.forget_workers(seconds=24 * 3600) == 0
    life.later(61)
    assert life.upkeep.forget_workers(seconds=24 * 3600) == 1
    assert [it.name for it in listed(life)] == [NAME]


def test_a_worker_that_was_forgotten_and_lives_is_registered_again(life: Life) -> None:
    life.workers.renew(sign())
    assert life.upkeep.forget_workers(seconds=-1) == 1
    at_once(lambda: life.workers.renew(sign()), lambda: life.workers.renew(sign()))
    assert [it.name for it in listed(life)] == [NAME]


def test_signs_of_life_are_rewritten_in_place(life: Life) -> None:
    for _ in range(500):
        life.workers.renew(sign(report(UUID(int=1))))
    assert life.sql("SELECT pg_relation_size('workers') / 8192 < 4") == [(True,)]


def test_a_job_shows_what_its_worker_waits_for(life: Life) -> None:
    job_id = held(life)
    life.workers.renew(sign(report(job_id, wait=SlotWait(Dependency.DATABASE, "No room.", 8))))
    waiting = waits(life.found(job_id))
    assert waiting is not None
    assert (waiting.what, waiting.message) == (Obstacle.DATABASE, "No room.")
    assert waiting == waits(life.jobs.list(JobFilters(), limit=1, before=None)[0])


def test_what_a_worker_says_of_another_claim_does_not_count(life: Life) -> None:
    job_id = held(life)
    wait = SlotWait(Dependency.DATABASE, "No room.", 8)
    life.workers.renew(sign(report(job_id, f"{NAME}/02", wait=wait), report(UUID(int=1), wait=wait)))
    assert waits(life.found(job_id)) is None


def test_a_job_waits_for_the_lease_of_a_silent_worker_then_for_a_worker(life: Life) -> None:
    job_id = held(life)
    life.workers.renew(sign(report(job_id)))
    assert waits(life.found(job_id)) is None
    life.later(16)
    waiting = waits(life.found(job_id))
    assert waiting is not None
    assert (waiting.what, waiting.since) == (Obstacle.LEASE, listed(life)[0].seen_at)
    assert waiting.until is not None
    assert waiting.until > datetime.now(UTC)
    life.later(60)
    waiting = waits(life.found(job_id))
    assert waiting is not None
    assert (waiting.what, waiting.since) == (Obstacle.WORKER, listed(life)[0].seen_at)


def test_a_block_that_is_written_is_progress(life: Life) -> None:
    job_id = held(life)
    life.workers.renew(sign(report(job_id)))
    life.later(30)
    job = life.open(life.found(job_id), SMALL_SOURCE, DIALECT, 10)
    life.later(20)
    life.load(job, block(0, ["row"]))
    assert waits(life.found(job_id)) is None
    life.later(5)
    waiting = waits(life.found(job_id))
    assert waiting is not None
    assert waiting.since == life.found(job_id).times.updated_at > listed(life)[0].seen_at


def test_the_holders_of_ranges_count(life: Life) -> None:
    job_id = held(life)
    job = life.open(life.found(job_id), SOURCE, DIALECT, 10)
    life.splits.add(job, Range(0, 40), since=None)
    life.splits.add(job, Range(40, 70), since=40)
    owners = [f"{NAME}/02", "other/01"]
    life.leases.release(job_id, owner=OWNER, without_progress=False)
    for owner in owners:
        assert life.leases.claim(job_id, owner=owner, lease_seconds=60), owner
    life.later(10)
    full = SlotWait(Dependency.DATABASE, "No room.", 8)
    life.workers.renew(sign(report(job_id, owners[0], wait=full)))
    life.workers.renew(sign(report(job_id, owners[1]), name="other"))
    assert waits(life.found(job_id)) is None
    life.workers.renew(sign(report(job_id, owners[1], wait=full), name="other"))
    waiting = waits(life.found(job_id))
    assert waiting is not None
    assert waiting.what is Obstacle.DATABASE


def test_a_database_that_is_read_only_says_so(life: Life, database_url: str) -> None:
    job_id = held(life)
    pool = Pool(f"{database_url}?options=-c%20default_transaction_read_only%3Don", size=1)
    try:
        job = PostgresRegister(pool).get(job_id)
    finally:
        pool.close()
    assert job is not None
    waiting = waits(job)
    assert waiting is not None
    assert waiting.what is Obstacle.DATABASE


def test_jobs_are_unattended_when_they_wait_and_no_worker_holds_any(life: Life) -> None:
    assert not life.workers.has_unattended_jobs(seconds=60)
    first, second = life.pending(), life.pending()
    life.later(61)
    assert not life.workers.has_unattended_jobs(seconds=60)  # their files have not arrived
    for job_id in (first, second):
        assert life.jobs.mark_arrived(job_id, SMALL_SOURCE)
    assert not life.workers.has_unattended_jobs(seconds=60)
    life.later(61)
    assert life.workers.has_unattended_jobs(seconds=60)
    assert life.leases.claim(first, owner=OWNER, lease_seconds=30)
    assert not life.workers.has_unattended_jobs(seconds=60)
    life.later(31)
    assert life.workers.has_unattended_jobs(seconds=60)


def test_a_job_is_queued_when_its_file_arrives_and_when_a_client_has_it_go_on(life: Life) -> None:
    def queued(job_id: UUID) -> datetime | None:
        return life.found(job_id).times.queued_at

    job_id = life.pending()
    assert queued(job_id) is None
    assert life.do(job_id, Action.CANCEL)
    assert life.do(job_id, Action.RETRY)
    assert queued(job_id) is None  # its file has not arrived
    assert life.jobs.mark_arrived(job_id, SOURCE)
    arrived = queued(job_id)
    assert arrived == life.found(job_id).upload.arrived_at
    assert life.do(job_id, Action.CLAIM)
    life.load(life.open(life.found(job_id), SOURCE, DIALECT, 10), block(0, ["row"]))
    assert life.do(job_id, Action.CANCEL)
    assert queued(job_id) == arrived
    assert life.do(job_id, Action.RETRY)
    retried = queued(job_id)
    assert arrived is not None
    assert retried is not None
    assert retried > arrived
    assert life.do(job_id, Action.CANCEL)
    assert life.jobs.reread(job_id, Changes()) is not None
    reread = queued(job_id)
    assert reread is not None
    assert reread > retried
    assert life.do(job_id, Action.CLAIM)
    assert life.do(job_id, Action.START_OVER)
    assert life.found(job_id).status is Status.PENDING
    assert queued(job_id) == reread


FULL_DISK = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER no_room BEFORE INSERT ON ingestion_blocks EXECUTE FUNCTION no_room();
"""


def test_a_job_says_that_the_disk_is_full_and_goes_on_afterwards(make_sluice: Callable[..., Sluice]) -> None:
    sluice = make_sluice("redis")
    sluice.execute(FULL_DISK)
    job_id = sluice.upload(rows(100))
    worker = sluice.start_worker(SLUICE_WORKER_JOBS="3")
    job = sluice.wait_for(job_id, waits_for_database)
    waiting = waits(job)
    assert waiting is not None
    assert waiting.message == "The database has no room left on its disk."
    assert job.times.started_at is not None
    assert waiting.since >= job.times.started_at
    (listed,) = sluice.services.workers.list(limit=10, before=None)
    assert (listed.kind, listed.slots, listed.state) == (WorkerKind.PROCESS, 3, WorkerState.WORKING)
    assert [it.job_id for it in listed.jobs] == [job_id]
    sluice.execute("DROP TRIGGER no_room ON ingestion_blocks")
    job = sluice.finished(job_id)
    assert (job.status, waits(job)) == (Status.COMPLETED, None)
    worker.terminate()
    assert worker.wait(60) == 0
    assert sluice.sql("SELECT * FROM workers") == []


def test_make_status_prints_what_workers_do(life: Life, database_url: str) -> None:
    assert worker_lines(database_url) == ["none is registered"]
    job_id, full = UUID(int=7), SlotWait(Dependency.DATABASE, "No room.", 8)
    life.workers.renew(
        sign(report(job_id, wait=full), report(job_id, idle=STUCK_SECONDS + 1), report(job_id))
    )
    head, waits, is_stuck, works = worker_lines(database_url)
    assert head.startswith(f"{NAME}: stuck, seen ")
    assert head.endswith(" s ago, 3 of 2 slots busy")
    assert re.fullmatch(rf"  job {job_id}, waits since [\d:]{{8}}: No room\.", waits)
    assert re.fullmatch(rf"  job {job_id}, stuck since [\d:]{{8}}", is_stuck)
    assert re.fullmatch(rf"  job {job_id}, since [\d:]{{8}}", works)
    life.change("DROP TABLE workers")
    (line,) = worker_lines(database_url)
    assert line.startswith("not known: ")

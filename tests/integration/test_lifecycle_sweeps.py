"""What sweeps look for on a real Postgres, what they remove, and that no two of them do it twice."""

from functools import partial
from itertools import chain
from uuid import UUID

import pytest

from chalicelib.backends.postgres.database import load_queries
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status
from tests.support.blocks import block
from tests.support.life import DAY, UNFINISHED, Life, at_once

ALL = 1000


def silent(life: Life) -> list[UUID]:
    return sorted(life.upkeep.take_silent(seconds=60, limit=ALL))


def test_a_silent_job_is_requeued_at_longer_and_longer_intervals(life: Life) -> None:
    job = life.job()
    life.later(40)
    assert silent(life) == []  # its lease lives
    life.later(21)
    assert silent(life) == [job.id]
    for interval in (120, 240, 480, 960):
        life.later(interval - 20)
        assert silent(life) == []
        life.later(21)
        assert silent(life) == [job.id]
    assert life.do(job.id, Action.CLAIM)  # the job moves: the intervals begin again
    life.later(61)
    assert silent(life) == [job.id]
    life.later(121)
    assert life.leases.renew(job.id, owner="me", lease_seconds=60)
    assert silent(life) == []


def test_an_undo_whose_message_was_lost_is_requeued_like_any_other_job(life: Life) -> None:
    job = life.job()
    for interval in (61, 121, 241, 481):
        life.later(interval)
        assert silent(life) == [job.id]
    assert life.do(job.id, Action.CANCEL)
    assert life.do(job.id, Action.UNDO)
    life.later(61)
    assert silent(life) == [job.id]


def test_only_unfinished_jobs_without_a_lease_are_silent(life: Life) -> None:
    jobs = {status: life.job_in(status) for status in Status}
    arrived = life.pending()
    life.change(f"UPDATE ingestion_jobs SET uploaded_at = now() WHERE id = '{arrived}'")
    assert silent(life) == []
    life.later(61)
    assert silent(life) == sorted([arrived, jobs[Status.PROCESSING], jobs[Status.UNDOING]])
    assert [it.job_id for it in life.upkeep.take_unseen(seconds=60, limit=ALL)] == [jobs[Status.PENDING]]


def unseen(life: Life) -> list[UUID]:
    return sorted(it.job_id for it in life.upkeep.take_unseen(seconds=60, limit=ALL))


def test_a_job_without_its_object_is_checked_less_and_less_often_until_it_is_overdue(life: Life) -> None:
    job_id = life.pending()
    life.later(40)
    assert unseen(life) == []
    life.later(21)
    assert unseen(life) == [job_id]
    life.later(40)
    assert unseen(life) == []
    life.later(6 * DAY)
    assert [it.overdue for it in life.upkeep.take_unseen(seconds=60, limit=ALL)] == [False]
    life.later(DAY)
    assert unseen(life) == []  # a quarter of its age has to pass
    life.later(DAY)
    assert [it.overdue for it in life.upkeep.take_unseen(seconds=60, limit=ALL)] == [True]
    assert life.do(job_id, Action.EXPIRE)
    life.later(9 * DAY)
    assert unseen(life) == []


@pytest.mark.parametrize("kind", ["silent", "unseen"])
def test_two_sweeps_at_once_never_take_the_same_job(life: Life, kind: str) -> None:
    take = {"silent": silent, "unseen": unseen}[kind]
    jobs = sorted(life.pending() for _ in range(30))
    if kind == "silent":
        life.change("UPDATE ingestion_jobs SET uploaded_at = now()")
    life.later(61)
    statement = load_queries("upkeep.sql")[f"take_{kind}"]
    first = statement.replace("%(seconds)s", "60").replace("%(limit)s", "10")
    with life.meanwhile(first):
        rest = take(life)  # does not wait for those of the sweep that is under way
        assert len(rest) == 20
    assert take(life) == []
    for turn in range(5):
        life.later(DAY * 2**turn)
        taken = at_once(*[partial(take, life)] * 3)
        assert sorted(chain.from_iterable(taken)) == jobs


def test_purging_keeps_the_tally(life: Life) -> None:
    done, failed = life.job(), life.job()
    for job, offset in ((done, None), (failed, 5)):
        life.load(job, block(0, ["a", "a", "b"], rejects=2))
        life.load(job, block(2, ["b", "c"], rejects=1))
        life.change(
            f"UPDATE ingestion_blocks SET source_offset = {offset or 'NULL'} WHERE job_id = '{job.id}'"
        )
        assert life.do(job.id, Action.FAIL)
    kept = [life.found(it.id) for it in (done, failed)]
    assert life.upkeep.purge(days=30, limit=ALL) == 0
    life.later(29 * DAY)
    assert life.upkeep.purge(days=30, limit=ALL) == 0
    assert life.sql("SELECT count(*) FROM validation_errors") == [(6,)]
    life.later(2 * DAY)
    assert life.upkeep.purge(days=30, limit=1) == 1
    assert life.upkeep.purge(days=30, limit=ALL) == 1
    assert life.upkeep.purge(days=30, limit=ALL) == 0
    for before in kept:
        now = life.found(before.id)
        assert (now.progress.tally, now.progress.bytes_processed) == (
            before.progress.tally,
            before.progress.bytes_processed,
        )
        assert (now.status, now.outcome.error) == (before.status, before.outcome.error)
        shift = now.times.created_at - before.times.created_at
        assert now.times.updated_at - before.times.updated_at == shift
        assert now.outcome.purged_at is not None
        assert life.jobs.rejects(now.id, limit=9, after=None) == []
    assert life.sql("SELECT block_no FROM ingestion_blocks") == [(-1,)] * 2
    assert life.sql("SELECT record->>'v' FROM ingested_data ORDER BY 1") == [(it,) for it in "abc"]


def test_only_jobs_that_have_ended_are_purged(life: Life) -> None:
    jobs = {status: life.job_in(status) for status in Status}
    life.later(31 * DAY)
    with life.meanwhile(f"SELECT FROM ingestion_jobs WHERE id = '{jobs[Status.FAILED]}' FOR UPDATE"):
        assert life.upkeep.purge(days=30, limit=ALL) == 4  # somebody is acting on that one
    assert life.upkeep.purge(days=30, limit=ALL) == 1
    purged = {status for status in Status if life.found(jobs[status]).outcome.purged_at}
    assert purged == set(Status) - {*UNFINISHED, Status.UNDOING}
    assert life.do(jobs[Status.UNDOING], Action.CLAIM)
    assert life.do(jobs[Status.UNDOING], Action.FINISH_UNDO)
    assert life.upkeep.purge(days=30, limit=ALL) == 0  # it ended just now


def test_concurrent_purges_purge_each_job_once(life: Life) -> None:
    jobs = [life.found(life.job_in(Status.CANCELED)) for _ in range(30)]
    life.later(31 * DAY)
    purges = at_once(*[partial(life.upkeep.purge, days=30, limit=20)] * 3)
    assert sum(purges) == 30 - life.upkeep.purge(days=30, limit=ALL)
    assert [life.found(it.id).progress.tally for it in jobs] == [it.progress.tally for it in jobs]
    assert life.sql("SELECT block_no, count(*) FROM ingestion_blocks GROUP BY 1") == [(-1, 30)]
    assert life.sql("SELECT FROM validation_errors") == []

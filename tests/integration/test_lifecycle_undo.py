"""Undo on a real Postgres: what goes, what stays, and who may meanwhile do what."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.errors import JobEnded, NotPossible
from chalicelib.core.jobs import Job
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status, Tally
from tests.support.blocks import block
from tests.support.life import DAY, Life, at_once, undo, undoing
from tests.support.partitions import in_either_table

ALL = 1000


def rows(life: Life) -> list[object]:
    return [value for (value,) in life.sql("SELECT record->>'v' FROM ingested_data ORDER BY 1")]


def wide(life: Life, pages: int) -> Job:
    """A job with a row on each of so many pages of the table."""
    life.change("ALTER TABLE ingested_data SET (fillfactor = 10)")
    job = life.job()
    life.load(job, block(0, [f"{number:0900}" for number in range(pages)], rejects=1))
    return job


@in_either_table
def test_undo_removes_rows_that_only_the_job_brought(life: Life) -> None:
    before, job, after, elsewhere = life.job(), life.job(), life.job(), life.job(dataset="other")
    life.load(before, block(0, ["b", "b+j", "all"], rejects=1))
    life.load(job, block(0, ["j1", "b+j", "j+a", "all"], rejects=1))
    life.load(job, block(1, ["j2", "j1"], rejects=2))
    life.load(after, block(0, ["j+a", "a", "all"], rejects=1))
    life.load(elsewhere, block(0, ["j1"], rejects=1))
    others = [life.found(it.id) for it in (before, after, elsewhere)]
    assert undo(life, job) == 2
    assert rows(life) == ["a", "all", "b", "b+j", "j+a", "j1"]
    assert life.sql("SELECT dataset_id FROM ingested_data WHERE record->>'v' = 'j1'") == [
        (elsewhere.dataset_id,)
    ]
    assert [life.found(it.id) for it in others] == others
    assert life.jobs.rejects(job.id, limit=9, after=None) == []
    assert life.sql("SELECT count(*) FROM validation_errors") == [(3,)]
    assert life.sql("SELECT count(*) FROM ingestion_blocks") == [(3,)]


@in_either_table
def test_undo_keeps_a_row_that_another_job_brought_in_between(life: Life) -> None:
    """The job meets its own row again, in a later block, after another has brought it too."""
    job, other = life.job(), life.job()
    life.load(job, block(0, ["both"]))
    life.load(other, block(0, ["both"]))
    life.load(job, block(1, ["both"]))
    assert undo(life, job) == 0
    assert rows(life) == ["both"]


def test_undo_is_refused_while_a_duplicate_job_relies_on_the_rows(life: Life) -> None:
    first, second = life.found(life.job_in(Status.COMPLETED)), life.found(life.job_in(Status.COMPLETED))
    life.change(f"UPDATE ingestion_jobs SET duplicate_of = '{first.id}' WHERE id = '{second.id}'")
    before = life.everything()
    with pytest.raises(NotPossible, match=str(second.id)):
        life.jobs.act(first.id, Action.UNDO)
    assert life.everything() == before
    undo(life, second)
    assert undo(life, first) == 1


def test_undo_of_a_job_that_loaded_nothing_removes_nothing(life: Life) -> None:
    job_id = life.pending()
    assert life.do(job_id, Action.CANCEL)
    assert undo(life, life.found(job_id)) == 0


def test_undo_of_a_purged_job_removes_its_rows(life: Life) -> None:
    job = life.found(life.job_in(Status.COMPLETED))
    life.later(31 * DAY)
    life.upkeep.purge(days=30, limit=ALL)
    assert undo(life, job) == 1
    assert rows(life) == []


def test_an_interrupted_undo_resumes(life: Life) -> None:
    job = undoing(life, wide(life, 2500))
    assert not life.undo.undo(job, owner="me", keep_going=lambda: False)
    assert life.found(job.id) == job
    answers = [True, False]
    assert not life.undo.undo(job, owner="me", keep_going=lambda: answers.pop(0))
    halfway = life.found(job.id)
    assert (halfway.status, halfway.progress.tally) == (Status.UNDOING, job.progress.tally)
    assert halfway.outcome.undone_rows is not None
    assert 0 < halfway.outcome.undone_rows == 2500 - len(rows(life))
    assert len(life.jobs.rejects(job.id, limit=9, after=None)) == 1
    life.leases.release(job.id, owner="me", without_progress=False)
    taken = life.leases.claim(job.id, owner="other", lease_seconds=60)
    assert taken is not None
    assert life.undo.undo(taken.job, owner="other", keep_going=lambda: True)
    undone = life.found(job.id)
    assert (undone.status, undone.outcome.undone_rows, undone.progress.tally) == (
        Status.UNDONE,
        2500,
        Tally(),
    )
    assert rows(life) == []


def test_an_undo_that_lost_its_lease_removes_no_more(life: Life) -> None:
    job = undoing(life, wide(life, 2500))
    left: list[int] = []

    def keep_going() -> bool:
        if left:
            life.later(61)
            assert life.do(job.id, Action.CLAIM, "other")
        left.append(len(rows(life)))
        return True

    with pytest.raises(JobEnded):
        life.undo.undo(job, owner="me", keep_going=keep_going)
    assert 0 < len(rows(life)) == left[1] < left[0] == 2500
    assert life.found(job.id).outcome.undone_rows == 2500 - left[1]
    assert life.do(job.id, Action.FINISH_UNDO, "other")
    assert life.found(job.id).outcome.undone_rows == 2500


@pytest.mark.parametrize("values", [["a"], []])
def test_only_the_holder_of_the_lease_undoes(life: Life, values: list[str]) -> None:
    job = life.job()
    life.load(job, block(0, values, rejects=1))
    undoing(life, job)
    before = life.everything()
    assert not life.do(job.id, Action.FINISH_UNDO, "other")
    assert life.everything() == before


@in_either_table
def test_a_row_loaded_while_it_is_removed_is_inserted_again(life: Life) -> None:
    job, other = life.job(), life.job()
    life.load(job, block(0, ["a", "b", "c"]))
    undoing(life, job)
    with ThreadPoolExecutor() as threads:
        with life.meanwhile(f"SELECT FROM ingestion_jobs WHERE id = '{job.id}' FOR UPDATE"):
            removing = threads.submit(life.do, job.id, Action.FINISH_UNDO)
            life.until_waiting(1)  # the rows are removed, but that is not committed
            loading = threads.submit(life.load, other, block(0, ["b", "c", "d"]))
            life.until_waiting(2)
        assert removing.result()
        assert loading.result() == Tally(3, 3, 0, 0)
    assert (rows(life), life.found(job.id).outcome.undone_rows) == (["b", "c", "d"], 3)


@in_either_table
def test_a_row_that_is_being_loaded_again_is_not_removed(life: Life) -> None:
    job, other = life.job(), life.job()
    life.load(job, block(0, ["a", "b", "c"]))
    undoing(life, job)
    with ThreadPoolExecutor() as threads:
        with life.meanwhile("LOCK TABLE validation_errors IN SHARE MODE"):
            loading = threads.submit(life.load, other, block(0, ["b", "c", "d"], rejects=1))
            life.until_waiting(1)
            removing = threads.submit(life.do, job.id, Action.FINISH_UNDO)
            life.until_waiting(2)
        assert loading.result() == Tally(4, 1, 2, 1)
        assert removing.result()
    assert (rows(life), life.found(job.id).outcome.undone_rows) == (["b", "c", "d"], 1)


def load_all(life: Life, job: Job, blocks: list[PreparedBlock]) -> None:
    for loaded in blocks:
        life.load(job, loaded)


@in_either_table
def test_undo_and_a_load_of_the_same_rows_may_run_at_once(life: Life) -> None:
    for turn in range(4):
        job, other = life.job(), life.job()
        blocks = [block(no, [f"{turn} {no} {row}" for row in range(300)]) for no in range(8)]
        load_all(life, job, blocks)
        undoing(life, job)
        at_once(
            partial(life.do, job.id, Action.FINISH_UNDO),
            partial(load_all, life, other, blocks[:4]),
            partial(load_all, life, other, blocks[:3:-1]),
        )
        assert life.sql(f"SELECT count(*) FROM ingested_data WHERE last_job = {other.number}") == [(2400,)]
        assert life.found(job.id).outcome.undone_rows == life.found(other.id).progress.tally.inserted
        assert life.found(other.id).progress.tally.records == 2400

"""Who works on a job: leases, vain attempts, completion, the same block twice; and anything in any order."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from operator import add
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.core.completion import Completion
from chalicelib.core.errors import BlockAlreadyCommitted, JobEnded, JobFailed, NotPossible
from chalicelib.core.jobs import Changes, Job, JobError
from chalicelib.core.lifecycle import TRANSITIONS, Action, possible
from chalicelib.core.model import Status, Tally
from tests.support.blocks import block
from tests.support.life import DIALECT, QUIET, SOURCE, UNFINISHED, Life, at_once


@pytest.mark.parametrize("status", [Status.PROCESSING, Status.UNDOING])
def test_a_second_owner_has_to_wait_for_the_lease_to_run_out(life: Life, status: Status) -> None:
    job_id = life.job_in(status)
    life.later(40)
    before = life.everything()
    assert life.leases.claim(job_id, owner="other", lease_seconds=60) is None
    assert not life.leases.renew(job_id, owner="other", lease_seconds=60)
    life.leases.release(job_id, owner="other", without_progress=False)
    assert life.everything() == before
    assert life.leases.renew(job_id, owner="me", lease_seconds=60)
    life.later(40)
    assert life.leases.claim(job_id, owner="other", lease_seconds=60) is None
    life.later(21)
    taken = life.leases.claim(job_id, owner="other", lease_seconds=60)
    assert taken is not None
    assert taken.job.status is status
    assert not life.leases.renew(job_id, owner="me", lease_seconds=60)
    assert life.leases.claim(job_id, owner="me", lease_seconds=60) is None


@pytest.mark.parametrize("status", Status)
def test_a_worker_holds_a_lease_that_it_could_renew(life: Life, status: Status) -> None:
    job_id = life.job_in(status)
    before = life.everything()
    holds = {owner: life.leases.holds(job_id, owner=owner) for owner in ("me", "other")}
    assert life.everything() == before
    assert holds == {owner: life.leases.renew(job_id, owner=owner, lease_seconds=60) for owner in holds}
    assert holds["me"] is (status in (Status.PROCESSING, Status.UNDOING))


def test_only_one_of_many_gets_a_job(life: Life) -> None:
    for job_id in [life.pending() for _ in range(5)]:
        taken = at_once(*[partial(life.do, job_id, Action.CLAIM, owner) for owner in "abcd"])
        assert sorted(taken) == [False, False, False, True]
        assert life.found(job_id).progress.attempts == 1


def test_a_lease_that_ran_out_is_still_its_holders_until_another_takes_it(life: Life) -> None:
    job = life.job()
    life.later(61)
    assert life.leases.renew(job.id, owner="me", lease_seconds=60)
    assert life.leases.claim(job.id, owner="other", lease_seconds=60) is None


def test_attempts_without_progress_are_those_since_the_last_block(life: Life) -> None:
    job = life.job()

    def vain() -> int:
        life.later(61)
        taken = life.leases.claim(job.id, owner="me", lease_seconds=60)
        assert taken is not None
        return taken.attempts_without_progress

    assert [job.progress.attempts_without_progress, vain(), vain()] == [1, 2, 3]
    life.load(job, block(0, ["a"]))
    assert [vain(), vain()] == [1, 2]
    life.leases.release(job.id, owner="me", without_progress=True)
    assert vain() == 3
    life.leases.release(job.id, owner="me", without_progress=False)
    assert life.found(job.id).progress.attempts_without_progress == 2
    assert vain() == 3
    for no in (1, 2):
        life.load(job, block(no, []))
        life.leases.release(job.id, owner="me", without_progress=False)
        assert [vain(), vain()] == [1, 2]
    assert life.found(job.id).progress.attempts == 11


def test_a_block_that_is_being_committed_counts_as_progress(life: Life) -> None:
    job = life.job()
    life.later(61)
    with ThreadPoolExecutor() as threads:
        with life.meanwhile("LOCK TABLE validation_errors IN SHARE MODE"):
            loading = threads.submit(life.load, job, block(0, ["a"], rejects=1))
            life.until_waiting(1)
            claiming = threads.submit(life.leases.claim, job.id, owner="other", lease_seconds=60)
            life.until_waiting(2)
        assert loading.result() == Tally(2, 1, 0, 1)
    taken = claiming.result()
    assert taken is not None
    assert taken.attempts_without_progress == 1


def retried(life: Life) -> Job:
    """As a worker knows it that has heard nothing yet of the job's being canceled and retried."""
    job = life.job(source=SOURCE)
    assert life.do(job.id, Action.CANCEL)
    assert life.do(job.id, Action.RETRY)
    return job


def test_a_worker_from_before_a_retry_loads_no_rows_of_another_object(life: Life) -> None:
    job = retried(life)
    assert life.do(job.id, Action.CLAIM, "other")
    opened = life.open(life.found(job.id), replace(SOURCE, etag="e2"), DIALECT, 10)
    with pytest.raises(JobEnded):
        life.load(job, block(0, ["a row of the object that was there before"]))
    assert life.load(opened, block(0, ["a"])) == Tally(1, 1, 0, 0)


def test_a_worker_from_before_a_retry_does_not_measure_another_object(life: Life) -> None:
    job = retried(life)
    life.ledger.measure(job, 70)
    assert life.do(job.id, Action.CLAIM, "other")
    life.open(life.found(job.id), replace(SOURCE, etag="e2"), DIALECT, 10)
    life.ledger.measure(job, 70)
    reading = life.found(job.id).reading
    assert reading is not None
    assert reading.text_size is None


def test_only_the_last_claimant_may_fail_a_job(life: Life) -> None:
    job, taken, released = life.job(), life.job(), life.job()
    life.later(61)
    assert life.do(taken.id, Action.CLAIM, "other")
    life.leases.release(released.id, owner="me", without_progress=True)
    before = life.everything()
    assert not life.do(job.id, Action.FAIL, "other")
    assert not life.do(taken.id, Action.FAIL, "me")
    assert not life.do(released.id, Action.FAIL, "me")
    assert life.everything() == before
    assert life.do(job.id, Action.FAIL, "me")  # its lease has run out, but no other worker took it over
    failed = life.found(job.id)
    assert (failed.status, failed.outcome.error) == (Status.FAILED, JobError("code", "Why."))
    assert not life.do(job.id, Action.FAIL, "me")


def test_many_may_complete_a_job_at_once(life: Life) -> None:
    job = life.job()
    life.ledger.measure(job, 10)
    life.load(job, block(0, ["a"], rejects=1))
    ended = Counter(at_once(*[partial(life.ledger.complete, job, 10)] * 4))
    assert ended == {Completion.COMPLETED: 1, Completion.ENDED_BEFORE: 3}
    before = life.everything()
    life.ledger.complete(job, 10)
    assert life.everything() == before
    assert (life.found(job.id).status, life.found(job.id).progress.tally) == (
        Status.COMPLETED,
        Tally(2, 1, 0, 1),
    )


@pytest.mark.parametrize(
    ("total", "broken"),
    [
        (31, "SELECT"),  # a total that is not the file's size
        (29, "SELECT"),
        (0, "SELECT"),
        (30, "DELETE FROM ingestion_blocks WHERE block_no = 0"),
        (30, "DELETE FROM ingestion_blocks WHERE block_no = 1"),
        (30, "DELETE FROM ingestion_blocks WHERE block_no = 2"),
        (30, "DELETE FROM ingestion_blocks"),
        (30, "UPDATE ingestion_blocks SET start_offset = 9 WHERE block_no = 1"),  # an overlap
        (30, "UPDATE ingestion_blocks SET end_offset = 31 WHERE block_no = 2"),
        (30, "UPDATE ingestion_blocks SET rejected = 1, inserted = 0 WHERE block_no = 1"),
        (30, "DELETE FROM validation_errors"),
        (30, "UPDATE ingestion_jobs SET text_size = NULL"),
    ],
)
def test_a_job_is_not_completed_unless_everything_adds_up(life: Life, total: int, broken: str) -> None:
    job = life.job()
    life.ledger.measure(job, 30)
    for no in range(3):
        life.load(job, block(no, [f"{no}"], rejects=int(no == 0)))
    life.change("ALTER TABLE validation_errors DROP CONSTRAINT validation_errors_job_id_block_no_fkey")
    life.change(broken)
    before = life.everything()
    with pytest.raises(JobFailed) as raised:
        life.ledger.complete(job, total)
    assert raised.value.code == "ledger-mismatch"
    assert life.everything() == before


@pytest.mark.parametrize("there", [False, True])
def test_a_block_committed_by_several_workers_at_once_is_stored_once(life: Life, *, there: bool) -> None:
    job, earlier = life.job(), life.job()
    for no in range(8):
        loaded = block(no, [f"{no} {row}" for row in range(50)], rejects=2)
        if there:
            life.load(earlier, loaded)
        tallies = at_once(*[partial(life.load, job, loaded)] * 3)
        assert sorted(isinstance(it, BlockAlreadyCommitted) for it in tallies) == [False, True, True]
        assert (Tally(52, 0, 50, 2) if there else Tally(52, 50, 0, 2)) in tallies
    assert life.sql(f"SELECT count(*) FROM ingestion_blocks WHERE job_id = '{job.id}'") == [(8,)]
    assert life.sql(f"SELECT count(*) FROM validation_errors WHERE job_id = '{job.id}'") == [(16,)]
    assert life.sql("SELECT count(*), count(DISTINCT record) FROM ingested_data") == [(400, 400)]
    assert life.found(job.id).progress.tally == Tally(416, 0 if there else 400, 400 if there else 0, 16)


@dataclass
class Expected:
    """What a job must look like after what has happened to it."""

    status: Status = Status.PENDING
    holder: str | None = None  # who took it last
    lapsed: bool = False
    blocks: int = 0
    tally: Tally = field(default_factory=Tally)
    undone_rows: int | None = None

    def allows(self, action: Action, owner: str) -> bool:
        if action is Action.CLAIM and self.holder not in (None, owner) and not self.lapsed:
            return False
        if action is Action.FAIL and self.holder != owner:
            return False
        return action in possible(self.status) or (self.status, action) in QUIET

    def take(self, action: Action, owner: str) -> None:
        self.status = TRANSITIONS[action].after
        self.holder = owner if action is Action.CLAIM else None
        self.lapsed = False


STEPS = [*((it, who) for it in (Action.CLAIM, Action.FAIL) for who in "AB"), (Action.CANCEL, "")]
STEPS += [(Action.RETRY, ""), (Action.REREAD, "A"), (Action.UNDO, "A"), (Action.COMPLETE, "")]
AFTER_UNDO = {Action.UNDO: Action.FINISH_UNDO, Action.REREAD: Action.START_OVER}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*STEPS, "commit", "commit", "the lease runs out"]), max_size=14))
def test_whatever_happens_to_a_job_its_rows_and_its_ledger_agree(life: Life, steps: list[Any]) -> None:
    job_id, expected = life.pending(), Expected()
    for step in steps:
        if step == "commit":
            commit(life, job_id, expected)
        elif step == "the lease runs out":
            life.later(61)
            expected.lapsed = True
        else:
            happen(life, job_id, expected, *step)
        agree(life, life.found(job_id), expected)


def commit(life: Life, job_id: UUID, expected: Expected) -> None:
    values = [f"row {expected.blocks} of {job_id}", "a row of every job"]
    loaded = block(expected.blocks, values, rejects=expected.blocks % 2)
    if expected.status is not Status.PROCESSING:
        with pytest.raises(JobEnded):
            life.load(life.found(job_id), loaded)
        return
    added = life.load(life.open(life.found(job_id), SOURCE, DIALECT, 64), loaded)
    expected.tally = Tally(*map(add, astuple(expected.tally), astuple(added)))
    expected.blocks += 1


def happen(life: Life, job_id: UUID, expected: Expected, action: Action, owner: str) -> None:
    if action is Action.COMPLETE:
        life.change(f"UPDATE ingestion_jobs SET text_size = {expected.blocks * 10} WHERE id = '{job_id}'")
    if action is Action.REREAD and not expected.blocks and expected.status is not Status.COMPLETED:
        action = Action.RETRY  # nothing is loaded
        allowed = expected.allows(action, owner)
        assert reread(life, job_id) == allowed
    else:
        allowed = expected.allows(action, owner)
        assert life.do(job_id, action, owner) == allowed
    if not allowed or (expected.status, action) in QUIET:
        return
    expected.take(action, owner)
    if action is Action.RETRY:
        expected.undone_rows = None
    if action in AFTER_UNDO:
        assert life.do(job_id, Action.CLAIM, owner)
        assert life.do(job_id, AFTER_UNDO[action], owner)
        expected.take(AFTER_UNDO[action], owner)
        expected.undone_rows = None if action is Action.REREAD else expected.tally.inserted
        expected.tally, expected.blocks = Tally(), 0


def reread(life: Life, job_id: UUID) -> bool:
    try:
        return life.jobs.reread(job_id, Changes()) is not None
    except NotPossible:
        return False


def agree(life: Life, job: Job, expected: Expected) -> None:
    assert (job.status, job.progress.tally, job.outcome.undone_rows) == (
        expected.status,
        expected.tally,
        expected.undone_rows,
    )
    assert (job.times.completed_at is None) == (job.status in UNFINISHED)
    assert (job.outcome.error is not None) == (job.status is Status.FAILED) or job.status is Status.UNDONE
    assert life.sql(
        f"SELECT (SELECT count(*) FROM ingestion_blocks WHERE job_id = '{job.id}'),"
        f" (SELECT count(*) FROM validation_errors WHERE job_id = '{job.id}'),"
        f" (SELECT count(*) FROM ingested_data WHERE first_job = {job.number})"
    ) == [(expected.blocks, job.progress.tally.rejected, job.progress.tally.inserted)]


def test_a_worker_that_lost_its_claim_cannot_complete_the_job_as_a_duplicate(life: Life) -> None:
    first = life.job(source=SOURCE)
    life.ledger.measure(first, 10)
    life.load(first, block(0, ["a"]))
    life.ledger.complete(first, 10)
    job_id = life.pending()
    stale = life.leases.claim(job_id, owner="me", lease_seconds=60)
    assert stale is not None
    life.later(61)
    taken = life.leases.claim(job_id, owner="other", lease_seconds=60)
    assert taken is not None
    with pytest.raises(JobEnded):
        life.ledger.complete_as_duplicate(stale.job, SOURCE)
    opened = life.open(taken.job, replace(SOURCE, etag="e2"), DIALECT, 10)
    assert life.ledger.complete_as_duplicate(stale.job, SOURCE) is None
    life.load(opened, block(0, ["b"]))
    assert life.found(job_id).progress.tally == Tally(1, 1, 0, 0)


def test_the_same_content_completes_with_a_copy_of_the_ledger(life: Life) -> None:
    first = life.job(source=SOURCE)
    life.load(first, block(0, ["a", "a", "b"], rejects=2))
    life.ledger.measure(first, 10)
    life.ledger.complete(first, 10)
    job_id = life.pending()
    taken = life.leases.claim(job_id, owner="me", lease_seconds=60)
    assert taken is not None
    assert life.ledger.complete_as_duplicate(taken.job, replace(SOURCE, checksum="another")) is None
    assert life.ledger.complete_as_duplicate(taken.job, SOURCE) == first.id
    job = life.found(job_id)
    assert (job.status, job.outcome.duplicate_of, job.progress.tally) == (
        Status.COMPLETED,
        first.id,
        Tally(5, 0, 3, 2),
    )
    assert job.upload.arrived_at is not None
    rejects = [life.jobs.rejects(it, limit=9, after=None) for it in (first.id, job_id)]
    assert rejects[0] == rejects[1] != []


@pytest.mark.parametrize("expected", [False, True], ids=["new", "known"])
def test_a_row_that_another_writer_inserts_at_the_same_time_is_a_duplicate(
    life: Life, expected: bool
) -> None:
    """It is there, and not to be seen yet, when the block is written."""
    job, writer = life.job(), life.writer()
    if expected:  # the writer looks for known rows first
        writer.write(life.job(), block(0, ["x"]))
        assert writer.write(job, block(1, ["x"])) == Tally(1, 0, 1, 0)
    (row,) = block(0, ["b"]).rows.to_pylist()
    other = life.job()
    values = f"{other.number}, {other.number}, {other.dataset_id}, '\\x{row['content_hash'].hex()}'"
    with ThreadPoolExecutor(1) as thread:
        with life.meanwhile(
            "INSERT INTO ingested_data (first_job, last_job, dataset_id, content_hash, record)"
            f" VALUES ({values}, '{row['record']}')"
        ):
            loading = thread.submit(writer.write, job, block(2, ["a", "b", "c"]))
            life.until_waiting(1)
        assert loading.result() == Tally(3, 2, 1, 0)
    found = life.sql(
        "SELECT record->>'v', first_job, last_job FROM ingested_data WHERE record->>'v' < 'x' ORDER BY 1"
    )
    assert found == [
        ("a", job.number, job.number),
        ("b", other.number, job.number),
        ("c", job.number, job.number),
    ]

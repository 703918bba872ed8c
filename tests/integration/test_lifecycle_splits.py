"""A split job on a real Postgres: claims on its ranges, and their end."""

from functools import partial
from uuid import UUID

import pytest

from chalicelib.core.completion import Completion
from chalicelib.core.errors import JobEnded
from chalicelib.core.jobs import Claim, Job
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Range, Status
from tests.support.blocks import block
from tests.support.life import DIALECT, SOURCE, Life, at_once

RANGES = [Range(0, 10), Range(10, 20), Range(20, 70)]


@pytest.fixture
def shared(life: Life) -> UUID:
    """Return a job of 70 bytes that is split, with no range claimed."""
    job = planned(life)
    since = None
    for part in RANGES:
        life.splits.add(job, part, since=since)
        since = part.end
    life.leases.release(job.id, owner="planner", without_progress=False)
    return job.id


def planned(life: Life) -> Job:
    job_id = life.pending()
    life.do(job_id, Action.CLAIM, "planner")
    return life.open(life.found(job_id), SOURCE, DIALECT, 10)


def claim(life: Life, job_id: UUID, owner: str) -> Claim | None:
    return life.leases.claim(job_id, owner=owner, lease_seconds=60)


def test_each_range_is_taken_once(life: Life, shared: UUID) -> None:
    taken = at_once(*[partial(claim, life, shared, owner) for owner in "abcde"])
    found = sorted((claimed.range.start for claimed in taken if claimed), key=int)
    assert found == [it.start for it in RANGES]
    assert taken.count(None) == 2
    assert {claimed.job.status for claimed in taken if claimed} == {Status.PROCESSING}


def test_an_interrupted_split_is_claimed_first(life: Life) -> None:
    job = planned(life)
    life.splits.add(job, RANGES[0], since=None)
    life.later(61)
    taken = claim(life, job.id, "other")
    assert taken is not None
    assert taken.job.reading is not None
    assert (taken.range, taken.job.reading.split_to) == (None, 10)
    part = claim(life, job.id, "third")  # meanwhile ranges can be taken
    assert part is not None
    assert part.range == RANGES[0]


def test_an_overtaken_worker_cannot_split(life: Life) -> None:
    job = planned(life)
    life.splits.add(job, RANGES[0], since=None)
    before = life.everything()
    for since in (None, 20):
        with pytest.raises(JobEnded):
            life.splits.add(job, RANGES[1], since=since)
    assert life.everything() == before


def test_a_range_whose_lease_has_run_out_is_taken_over(life: Life, shared: UUID) -> None:
    for owner in "abc":
        claim(life, shared, owner)
    assert claim(life, shared, "d") is None
    life.later(50)
    assert life.leases.renew(shared, owner="b", lease_seconds=60)
    assert not life.leases.renew(shared, owner="d", lease_seconds=60)
    assert [life.leases.holds(shared, owner=owner) for owner in "bd"] == [True, False]
    life.later(20)
    taken = [claim(life, shared, "d"), claim(life, shared, "e"), claim(life, shared, "f")]
    assert [it.range for it in taken if it] == [RANGES[0], RANGES[2]]
    assert not life.leases.renew(shared, owner="a", lease_seconds=60)


def test_ranges_without_failed_attempts_are_claimed_first_and_progress_resets_the_count(
    life: Life, shared: UUID
) -> None:
    first = claim(life, shared, "a")
    assert first is not None
    assert (first.range, first.attempts_without_progress) == (RANGES[0], 1)
    life.leases.release(shared, owner="a", without_progress=True)
    found = [claim(life, shared, owner) for owner in "abc"]
    assert [(it.range, it.attempts_without_progress) for it in found if it] == [
        (RANGES[1], 1),
        (RANGES[2], 1),
        (RANGES[0], 2),
    ]
    life.load(first.job, block(0, ["x"]))  # of the first range
    life.later(61)
    again = claim(life, shared, "d")
    assert again is not None
    others = [claim(life, shared, "e"), claim(life, shared, "f")]
    known = {it.range: it.attempts_without_progress for it in [again, *others] if it}
    assert known == {RANGES[0]: 1, RANGES[1]: 2, RANGES[2]: 2}
    life.leases.release(shared, owner="d", without_progress=False)


def test_a_range_that_was_finished_is_not_taken_again_and_the_last_completes(
    life: Life, shared: UUID
) -> None:
    for number in range(7):
        job = claim(life, shared, "me")
        assert job is not None
        life.load(life.found(shared), block(number, [str(number)]))
        for part in RANGES:
            if part.end == number * 10 + 10:
                life.splits.finish(life.found(shared), part)
        life.leases.release(shared, owner="me", without_progress=False)
    assert life.sql("SELECT count(*) FROM ingestion_ranges") == [(0,)]
    job = claim(life, shared, "me")  # there is nothing left but to complete it
    assert job is not None
    assert job.range is None
    assert life.ledger.complete(life.found(shared), 70) is Completion.COMPLETED
    assert claim(life, shared, "me") is None


@pytest.mark.parametrize("action", [Action.CANCEL, Action.FAIL])
def test_a_job_that_ends_removes_its_ranges(life: Life, shared: UUID, action: Action) -> None:
    job = claim(life, shared, "me")
    assert job is not None
    assert not life.ledger.fail(job.job, owner="planner", code="code", message="Why.")
    assert life.do(shared, action)
    assert life.sql("SELECT count(*) FROM ingestion_ranges") == [(0,)]
    assert not life.leases.renew(shared, owner="me", lease_seconds=60)
    with pytest.raises(JobEnded):
        life.load(job.job, block(0, ["x"]))
    with pytest.raises(JobEnded):
        life.splits.add(job.job, RANGES[0], since=70)
    assert life.do(shared, Action.RETRY)
    again = claim(life, shared, "me")
    assert again is not None
    assert (again.range, again.job.reading) == (None, None)  # it is opened again, and may be split again


def test_a_job_with_a_held_range_is_not_silent(life: Life, shared: UUID) -> None:
    claim(life, shared, "me")
    life.later(50)
    assert life.leases.renew(shared, owner="me", lease_seconds=60)
    assert life.upkeep.take_silent(seconds=30, limit=10) == []
    life.later(61)
    assert life.upkeep.take_silent(seconds=30, limit=10) == [shared]

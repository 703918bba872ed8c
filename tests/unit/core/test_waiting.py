"""What a job waits for, as its row, its leases and the signs of life of its workers show."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.dependencies import Dependency
from chalicelib.core.model import Status
from chalicelib.core.waiting import PATIENCE, Obstacle, Waiting, waiting_for
from chalicelib.core.workers import STUCK_SECONDS, Hold
from tests.support.jobs import NOW, new_job
from tests.support.worker_states import hold, holders, moment, wait, work, worker

BUSY = (Status.PROCESSING, Status.UNDOING)
GOES_ON = hold(worker(jobs=[work()]))
SILENT = hold(worker(seen=10, unseen=16, jobs=[work(seen=10)]))
STUCK = hold(worker(seen=500, jobs=[work(seen=500, idle=STUCK_SECONDS + 1)]))
HINDERED = hold(worker(seen=60, jobs=[work(seen=60, wait=wait(20))]))


def at(seconds: float, **changes: Any) -> Waiting | None:
    """Return what a job waits for so many seconds after it last changed."""
    return waiting_for(new_job(**changes), moment(seconds))


def told(seconds: float = 1000, **changes: Any) -> tuple[Obstacle, float] | None:
    """Return what such a job waits for, and since how many seconds after it last changed."""
    waiting = at(seconds, **changes)
    return None if waiting is None else (waiting.what, (waiting.since - NOW).total_seconds())


def test_a_job_without_its_file_waits_for_it_until_its_url_expires() -> None:
    waiting = at(1000, expires_at=moment(3600))
    assert waiting == Waiting(Obstacle.UPLOAD, NOW, "The file has not arrived.", moment(3600))


def test_a_job_whose_file_arrived_waits_for_a_worker() -> None:
    assert told(arrived_at=NOW) == (Obstacle.WORKER, 0)


@pytest.mark.parametrize("seconds", [0, PATIENCE - 0.1])
def test_a_short_wait_is_not_told(seconds: float) -> None:
    assert told(seconds, arrived_at=NOW) is None


@pytest.mark.parametrize("status", [it for it in Status if it.is_terminal])
def test_a_job_that_has_ended_waits_for_nothing(status: Status) -> None:
    assert told(status=status, arrived_at=NOW, holders=holders()) is None


@pytest.mark.parametrize("status", BUSY)
def test_a_job_that_a_worker_goes_on_with_waits_for_nothing(status: Status) -> None:
    assert told(status=status, holders=holders(GOES_ON)) is None


@pytest.mark.parametrize(
    "holder",
    [None, worker(), worker(unseen=15)],
    ids=["not registered", "claimed after its last sign", "no sign for three intervals"],
)
def test_a_worker_of_which_nothing_is_known_is_taken_to_go_on(holder: Any) -> None:
    assert told(status=Status.PROCESSING, holders=holders(hold(holder))) is None


@pytest.mark.parametrize("status", BUSY)
def test_a_job_that_no_worker_holds_waits_for_one(status: Status) -> None:
    waiting = at(1000, status=status, holders=holders())
    assert waiting is not None
    assert (waiting.what, waiting.since) == (Obstacle.WORKER, NOW)
    assert "returned it or was lost" in waiting.message


def test_a_silent_worker_s_lease_is_waited_for_until_it_has_run_out() -> None:
    waiting = at(26, status=Status.PROCESSING, holders=holders(SILENT))
    assert waiting is not None
    assert (waiting.what, waiting.since, waiting.until) == (Obstacle.LEASE, moment(10), moment(30))


def test_the_wait_for_a_lease_goes_on_as_a_wait_for_a_worker() -> None:
    out = holders(hold(worker(seen=10, unseen=36, jobs=[work(seen=10)]), left=-10))
    assert told(46, status=Status.PROCESSING, holders=out) == (Obstacle.WORKER, 10)


def test_a_lease_of_an_unknown_worker_that_ran_out_is_waited_for_since_then() -> None:
    out = holders(hold(None, left=-10, until=30))
    assert told(46, status=Status.PROCESSING, holders=out) == (Obstacle.WORKER, 30)


def test_a_block_after_the_last_sign_of_life_counts_as_progress() -> None:
    shown = told(status=Status.PROCESSING, updated_at=moment(13), holders=holders(SILENT))
    assert shown == (Obstacle.LEASE, 13)


@pytest.mark.parametrize("dependency", Dependency)
def test_what_a_worker_waits_for_its_job_waits_for(dependency: Dependency) -> None:
    waits = holders(hold(worker(seen=60, jobs=[work(seen=60, wait=wait(20, dependency))])))
    waiting = at(60, status=Status.PROCESSING, holders=waits)
    assert waiting is not None
    assert (waiting.what.value, waiting.since) == (dependency.value, moment(20))
    assert waiting.message == "The database has no room left on its disk."


def test_a_worker_that_is_stuck_shows_since_its_slot_stopped() -> None:
    assert told(status=Status.PROCESSING, holders=holders(STUCK)) == (
        Obstacle.SLOT,
        500 - STUCK_SECONDS - 1,
    )


@pytest.mark.parametrize("status", [Status.PENDING, *BUSY])
def test_a_database_that_takes_no_changes_is_told_before_anything_else(status: Status) -> None:
    shut = holders(SILENT, is_read_only=True)
    assert told(status=status, arrived_at=NOW, holders=shut) == (Obstacle.DATABASE, 10)


@given(
    hindered=st.lists(st.sampled_from([SILENT, STUCK, HINDERED]), min_size=1),
    others=st.lists(st.just(hold(worker(seen=10, unseen=99), left=-1))),
    data=st.data(),
)
def test_a_job_of_several_workers_waits_when_all_of_them_do(
    hindered: list[Hold], others: list[Hold], data: st.DataObject
) -> None:
    def of(holds: list[Hold]) -> tuple[Obstacle, float] | None:
        return told(status=Status.PROCESSING, holders=holders(*data.draw(st.permutations(holds))))

    alone = [of([it]) for it in hindered]
    assert all(alone)
    assert of([*hindered, *others]) == max(alone, key=lambda it: it[1] if it else 0)
    assert of([*hindered, *others, GOES_ON]) is None


def test_the_patience_counts_from_when_the_wait_began() -> None:
    begun = timedelta(seconds=20)
    assert told(20 + PATIENCE - 0.1, status=Status.PROCESSING, holders=holders(HINDERED)) is None
    waiting = at(20 + PATIENCE, status=Status.PROCESSING, holders=holders(HINDERED))
    assert waiting is not None
    assert waiting.since == NOW + begun

"""A worker's signs of life: stored while it lives, removed when it ends, and no hindrance to its work."""

from typing import Any

from chalicelib.core.jobs import Claim
from chalicelib.core.workers import WorkerKind
from chalicelib.service.activity import Activity
from chalicelib.service.signs_of_life import SignsOfLife
from tests.support.fakes import MemoryWorkers
from tests.support.jobs import new_job
from tests.support.waiting import wait_for


def new_signs(workers: MemoryWorkers, activity: Activity | None = None, **changes: Any) -> SignsOfLife:
    members = {"interval": 0.01, "slots": 3} | changes
    return SignsOfLife(
        workers, activity or Activity(), name="me", kind=WorkerKind.PROCESS, version="1", **members
    )


def test_signs_of_life_tell_what_the_slots_do() -> None:
    workers, activity = MemoryWorkers(), Activity()
    claim = Claim(new_job(), "me/1", None, 1)
    with new_signs(workers, activity):
        wait_for(lambda: workers.signs)
        assert (workers.signs[0].name, workers.signs[0].slots, workers.signs[0].jobs) == ("me", 3, [])
        with activity.on(claim):
            wait_for(lambda: [it.job_id for it in workers.signs[-1].jobs] == [claim.job.id])
        wait_for(lambda: not workers.signs[-1].jobs)
        assert workers.removed == []
    assert workers.removed == ["me"]


def test_a_database_that_is_away_is_asked_again() -> None:
    workers = MemoryWorkers(down=True)
    with new_signs(workers):
        workers.down = False
        wait_for(lambda: workers.signs)


def test_a_worker_that_cannot_be_removed_ends_all_the_same() -> None:
    workers = MemoryWorkers()
    with new_signs(workers):
        wait_for(lambda: workers.signs)
        workers.down = True
    assert workers.removed == []


def test_a_worker_that_ends_before_its_first_sign_is_never_registered() -> None:
    workers = MemoryWorkers()
    with new_signs(workers, first_after=3600):
        pass
    assert (workers.signs, workers.removed) == ([], [])

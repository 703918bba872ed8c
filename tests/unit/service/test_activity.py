"""What the slots of a worker do, as its signs of life tell it."""

from dataclasses import dataclass, replace

import pytest

from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import RetryLater
from chalicelib.core.jobs import Claim
from chalicelib.core.model import Status
from chalicelib.core.workers import SlotReport, SlotWait
from chalicelib.service.activity import Activity, NotingWriter
from tests.support.blocks import block
from tests.support.fakes import MemoryJobs
from tests.support.jobs import new_job

FULL = RetryLater("ENOSPC", Dependency.DATABASE, told="No room.")
AWAY = RetryLater("503", Dependency.STORAGE)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def activity(clock: Clock) -> Activity:
    return Activity(clock)


def new_claim(owner: str = "me/1") -> Claim:
    return Claim(new_job(), owner, None, 1)


def waits(activity: Activity) -> list[SlotWait | None]:
    return [report.wait for report in activity.reports()]


def test_a_slot_is_reported_while_it_works(activity: Activity, clock: Clock) -> None:
    claim = new_claim()
    with activity.on(claim) as work:
        clock.now += 10
        assert work.goes_on()
        clock.now += 3
        assert activity.reports() == [SlotReport(claim.job.id, "me/1", 13, 3)]
    assert activity.reports() == []


def test_a_slot_that_fails_is_not_reported_any_more(activity: Activity) -> None:
    with pytest.raises(ZeroDivisionError), activity.on(new_claim()):
        raise ZeroDivisionError
    assert activity.reports() == []


def test_a_wait_lasts_from_the_first_failure_and_tells_the_last_one(activity: Activity, clock: Clock) -> None:
    claim = new_claim()
    with activity.on(claim) as work:
        activity.waits(claim, RetryLater("refused", Dependency.DATABASE))
        clock.now += 40
        assert work.goes_on()  # as it does in a pause
        activity.waits(claim, FULL)
        clock.now += 5
        assert waits(activity) == [SlotWait(Dependency.DATABASE, "No room.", 45)]


def test_another_dependency_is_another_wait(activity: Activity, clock: Clock) -> None:
    claim = new_claim()
    with activity.on(claim):
        activity.waits(claim, FULL)
        clock.now += 10
        activity.waits(claim, AWAY)
        clock.now += 1
        assert waits(activity) == [SlotWait(Dependency.STORAGE, "The bucket does not answer.", 1)]


def test_a_block_that_is_written_ends_the_wait(activity: Activity, clock: Clock) -> None:
    jobs = MemoryJobs()
    claim = new_claim()
    job = jobs.put(replace(claim.job, status=Status.PROCESSING))
    with activity.on(claim):
        activity.waits(claim, FULL)
        assert waits(activity) != [None]
        clock.now += 7
        NotingWriter(jobs, activity).write(job, block(0, ["row"]))
        assert activity.reports() == [SlotReport(job.id, "me/1", 7, 0)]
        assert list(jobs.blocks[job.id]) == [0]


def test_a_wait_ends_a_minute_after_the_last_failure(activity: Activity, clock: Clock) -> None:
    claim = new_claim()
    with activity.on(claim):
        activity.waits(claim, FULL)
        clock.now += 59
        assert waits(activity) != [None]
        clock.now += 1
        assert waits(activity) == [None]
        activity.waits(claim, FULL)
        assert waits(activity) == [SlotWait(Dependency.DATABASE, "No room.", 0)]


def test_a_failure_is_that_of_one_slot(activity: Activity) -> None:
    one, other = new_claim("me/1"), new_claim("me/2")
    with activity.on(one), activity.on(other):
        activity.waits(other, FULL)
        assert [wait is None for wait in waits(activity)] == [True, False]


def test_an_error_that_names_no_dependency_is_no_wait(activity: Activity) -> None:
    claim = new_claim()
    with activity.on(claim):
        activity.waits(claim, RetryLater("why"))
        assert waits(activity) == [None]

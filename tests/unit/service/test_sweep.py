"""What sweeps find and mend, over ports in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.core.errors import RetryLater
from chalicelib.core.model import Job, Source, Status, Upload
from chalicelib.service.object_keys import job_for
from chalicelib.service.sweep import Sweeper, sweep
from tests.support.fakes import NOW, MemoryServices, new_job

OVERDUE = Upload(expires_at=NOW - timedelta(days=1))
NOTHING = {"announced": 0, "found": 0, "adopted": 0, "purged": 0}


@pytest.fixture
def services(services: MemoryServices) -> MemoryServices:
    services.objects.missing = True
    return services


@pytest.fixture
def sweeper(services: MemoryServices) -> Sweeper:
    return services.sweeper


def queued(services: MemoryServices) -> list[object]:
    return [it.job_id for it in services.sender.waiting]


def status(services: MemoryServices, job: Job) -> Status:
    return services.jobs.jobs[job.id].status


def test_nothing_to_do(sweeper: Sweeper) -> None:
    assert sweep(sweeper) == NOTHING


@pytest.mark.parametrize("state", [Status.PENDING, Status.PROCESSING, Status.UNDOING])
def test_a_job_nobody_works_on_is_announced_again(
    services: MemoryServices, sweeper: Sweeper, state: Status
) -> None:
    job = services.jobs.add(new_job(status=state, uploaded_at=NOW))
    held = services.jobs.add(new_job(status=state, uploaded_at=NOW, number=2))
    services.jobs.owners[held.id] = "a worker"
    assert sweep(sweeper)["announced"] == 1
    assert queued(services) == [job.id]


def test_an_upload_that_no_event_told_of_is_found(services: MemoryServices, sweeper: Sweeper) -> None:
    job = services.jobs.add(new_job(upload=OVERDUE))
    services.objects.missing = False
    services.objects.data = b"a\n1\n"
    assert sweep(sweeper)["found"] == 1
    assert queued(services) == [job.id]
    found = services.jobs.jobs[job.id]
    assert found.uploaded_at is not None
    assert found.source is not None
    assert found.source.size == 4


def test_an_upload_that_never_came_expires_with_its_parts(services: MemoryServices, sweeper: Sweeper) -> None:
    upload_id = services.uploads.begin("k", checksums=True)
    in_parts = services.jobs.add(new_job(upload=replace(OVERDUE, upload_id=upload_id, part_size=5)))
    whole = services.jobs.add(new_job(upload=OVERDUE, number=2))
    waiting = services.jobs.add(new_job(upload=Upload(expires_at=NOW + timedelta(days=1)), number=3))
    sweep(sweeper)
    assert [status(services, job) for job in (in_parts, whole, waiting)] == [
        Status.EXPIRED,
        Status.EXPIRED,
        Status.PENDING,
    ]
    assert not services.uploads.arrived
    assert services.uploads.removed == [in_parts.key, whole.key]
    assert not queued(services)


def test_an_object_that_may_not_be_seen_does_not_expire_its_job(
    services: MemoryServices, sweeper: Sweeper
) -> None:
    job = services.jobs.add(new_job(upload=OVERDUE))
    services.forbidden = True
    assert sweep(sweeper) == NOTHING
    assert status(services, job) is Status.PENDING


def test_dropped_files_that_no_event_told_of_are_adopted_once(
    services: MemoryServices, sweeper: Sweeper
) -> None:
    services.objects.missing = False
    old, new = NOW, datetime.now(UTC)
    lost = Source("bucket", "drop/people/a.csv", "e1", 0, modified_at=old)
    services.uploads.dropped = [
        lost,
        Source("bucket", "drop/people/folder/", "e1", 0, modified_at=old),
        Source("bucket", "drop/people/fresh.csv", "e1", 0, modified_at=new),  # its event has time yet
    ]
    assert sweep(sweeper)["adopted"] == 1
    assert list(services.jobs.jobs) == [job_for(lost)] == queued(services)
    services.sender.waiting.clear()
    assert sweep(sweeper)["adopted"] == 0


def test_old_rejects_and_ledgers_are_forgotten_once(services: MemoryServices, sweeper: Sweeper) -> None:
    services.jobs.add(new_job(status=Status.COMPLETED, completed_at=NOW))
    assert sweep(sweeper)["purged"] == 1
    assert sweep(sweeper) == NOTHING


def test_a_bug_in_one_chore_does_not_keep_the_others_from_theirs(
    services: MemoryServices, sweeper: Sweeper
) -> None:
    services.jobs.add(new_job(status=Status.COMPLETED, completed_at=NOW))
    services.uploads.dropped = [Source("bucket", "drop/people/a.csv", "e1", 0)] * 2
    broken = replace(sweeper, uploads=None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        sweep(broken)
    assert sum(job.purged_at is not None for job in services.jobs.jobs.values()) == 1


def test_a_dropped_file_that_may_not_be_read_does_not_stop_those_behind_it(
    services: MemoryServices, sweeper: Sweeper
) -> None:
    services.forbidden = True
    services.uploads.dropped = [
        Source("bucket", f"drop/people/{n}.csv", "e1", 0, modified_at=NOW) for n in range(3)
    ]
    assert sweep(sweeper)["adopted"] == 0


def test_what_one_chore_fails_at_does_not_keep_the_others_from_theirs(
    services: MemoryServices, sweeper: Sweeper
) -> None:
    silent = services.jobs.add(new_job(status=Status.PROCESSING))
    services.jobs.add(new_job(upload=replace(OVERDUE, upload_id="x", part_size=5), number=2))
    services.jobs.add(new_job(status=Status.COMPLETED, completed_at=NOW, number=3))
    services.uploads.down = True
    with pytest.raises(RetryLater):
        sweep(sweeper)
    assert queued(services) == [silent.id]
    assert sum(job.purged_at is not None for job in services.jobs.jobs.values()) == 1

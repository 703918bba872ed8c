"""What sweeps find and mend, over ports in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.core.audit import Actor, AuditAction, Target
from chalicelib.core.errors import RetryLater
from chalicelib.core.jobs import Job, RejectsFile, RejectsSource, Upload
from chalicelib.core.model import Source, Status
from chalicelib.service.object_keys import adopted_job_id
from chalicelib.service.sweep import Sweeper
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, new_job

OVERDUE = Upload("bucket", "key", expires_at=NOW - timedelta(days=1))
TASKS = ("requeued", "found", "adopted", "expired", "purged", "removed", "erased", "forgotten")
NOTHING = dict.fromkeys(TASKS, 0)


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


def test_a_sweep_of_an_idle_service_changes_nothing(sweeper: Sweeper) -> None:
    assert sweeper.sweep() == NOTHING


@pytest.mark.parametrize("state", [Status.PENDING, Status.PROCESSING, Status.UNDOING])
def test_a_silent_job_is_requeued(services: MemoryServices, sweeper: Sweeper, state: Status) -> None:
    job = services.jobs.put(new_job(status=state, arrived_at=NOW))
    held = services.jobs.put(new_job(status=state, arrived_at=NOW, number=2))
    services.jobs.owners[held.id] = "a worker"
    assert sweeper.sweep()["requeued"] == 1
    assert queued(services) == [job.id]


def test_an_upload_whose_event_was_lost_is_enqueued(services: MemoryServices, sweeper: Sweeper) -> None:
    job = services.jobs.put(new_job(upload=OVERDUE))
    services.objects.missing = False
    services.objects.data = b"a\n1\n"
    assert sweeper.sweep()["found"] == 1
    assert queued(services) == [job.id]
    found = services.jobs.jobs[job.id]
    assert found.upload.arrived_at is not None
    assert found.source is not None
    assert found.source.size == 4


def test_an_upload_that_never_arrived_expires_with_its_parts(
    services: MemoryServices, sweeper: Sweeper
) -> None:
    upload_id = services.upload_bucket.begin("k", checksums=True)
    in_parts = services.jobs.put(new_job(upload=replace(OVERDUE, upload_id=upload_id, part_size=5)))
    whole = services.jobs.put(new_job(upload=OVERDUE, number=2))
    waiting = services.jobs.put(
        new_job(upload=Upload("bucket", "key", expires_at=NOW + timedelta(days=1)), number=3)
    )
    sweeper.sweep()
    assert [status(services, job) for job in (in_parts, whole, waiting)] == [
        Status.EXPIRED,
        Status.EXPIRED,
        Status.PENDING,
    ]
    assert not services.upload_bucket.arrived
    assert services.upload_bucket.removed == [in_parts.upload.key, whole.upload.key]
    assert not queued(services)


def test_an_object_that_may_not_be_seen_does_not_expire_its_job(
    services: MemoryServices, sweeper: Sweeper
) -> None:
    job = services.jobs.put(new_job(upload=OVERDUE))
    services.forbidden = True
    assert sweeper.sweep() == NOTHING
    assert status(services, job) is Status.PENDING


def test_a_dropped_file_whose_event_was_lost_becomes_one_job(
    services: MemoryServices, sweeper: Sweeper
) -> None:
    services.objects.missing = False
    old, new = NOW, datetime.now(UTC)
    lost = Source("bucket", "drop/people/a.csv", "e1", 0, modified_at=old)
    services.upload_bucket.dropped = [
        lost,
        Source("bucket", "drop/people/folder/", "e1", 0, modified_at=old),
        Source("bucket", "drop/people/fresh.csv", "e1", 0, modified_at=new),  # its event has time yet
    ]
    assert sweeper.sweep()["adopted"] == 1
    assert list(services.jobs.jobs) == [adopted_job_id(lost)] == queued(services)
    services.sender.waiting.clear()
    assert sweeper.sweep()["adopted"] == 0


def test_a_preview_that_nobody_followed_up_expires_and_its_object_stays(
    services: MemoryServices, sweeper: Sweeper
) -> None:
    waits = [
        services.jobs.put(new_job(status=Status.PREVIEWED, arrived_at=NOW, number=n, updated_at=NOW - age))
        for n, age in enumerate((timedelta(days=6), timedelta(days=8)))
    ]
    assert sweeper.sweep()["expired"] == 1
    assert [status(services, job) for job in waits] == [Status.PREVIEWED, Status.EXPIRED]
    assert services.upload_bucket.removed == []
    assert sweeper.sweep() == NOTHING


def test_old_rejects_and_ledgers_are_purged_once(services: MemoryServices, sweeper: Sweeper) -> None:
    services.jobs.put(new_job(status=Status.COMPLETED, completed_at=NOW))
    assert sweeper.sweep()["purged"] == 1
    assert sweeper.sweep() == NOTHING


def test_the_rejects_files_of_purged_jobs_are_removed(services: MemoryServices, sweeper: Sweeper) -> None:
    old = services.jobs.put(new_job(status=Status.COMPLETED, completed_at=NOW))
    other = services.jobs.put(new_job(number=2, status=Status.PROCESSING))
    services.jobs.files[old.id] = RejectsFile(f"rejects/{old.id}/2-b/rejects.csv", 1, RejectsSource.OBJECT)
    for job, attempt in ((old, "1-a"), (old, "2-b"), (other, "1-c")):
        services.upload_bucket.written[f"rejects/{job.id}/{attempt}/rejects.csv"] = b""
    services.upload_bucket.down = True
    with pytest.raises(RetryLater):
        sweeper.sweep()
    services.upload_bucket.down = False
    sweeper.sweep()
    assert list(services.upload_bucket.written) == [f"rejects/{other.id}/1-c/rejects.csv"]
    assert not services.jobs.files


def test_a_bug_in_one_task_does_not_stop_the_others(services: MemoryServices, sweeper: Sweeper) -> None:
    services.jobs.put(new_job(status=Status.COMPLETED, completed_at=NOW))
    services.upload_bucket.dropped = [Source("bucket", "drop/people/a.csv", "e1", 0)] * 2
    broken = replace(sweeper, bucket=None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        broken.sweep()
    assert sum(job.outcome.purged_at is not None for job in services.jobs.jobs.values()) == 1


def test_a_dropped_file_that_may_not_be_read_does_not_stop_those_behind_it(
    services: MemoryServices, sweeper: Sweeper
) -> None:
    services.forbidden = True
    services.upload_bucket.dropped = [
        Source("bucket", f"drop/people/{n}.csv", "e1", 0, modified_at=NOW) for n in range(3)
    ]
    assert sweeper.sweep()["adopted"] == 0


def test_an_outage_in_one_task_does_not_stop_the_others(services: MemoryServices, sweeper: Sweeper) -> None:
    silent = services.jobs.put(new_job(status=Status.PROCESSING))
    services.jobs.put(new_job(upload=replace(OVERDUE, upload_id="x", part_size=5), number=2))
    services.jobs.put(new_job(status=Status.COMPLETED, completed_at=NOW, number=3))
    services.upload_bucket.down = True
    with pytest.raises(RetryLater):
        sweeper.sweep()
    assert queued(services) == [silent.id]
    assert sum(job.outcome.purged_at is not None for job in services.jobs.jobs.values()) == 1


def test_old_events_of_the_audit_log_are_removed(services: MemoryServices, sweeper: Sweeper) -> None:
    for days in (10, 40, 400):
        actor = Actor(AuditAction.JOB_UNDO, "key", "1", "crm")
        services.audit.note(actor, Target())
        aged = replace(services.audit.events[-1], time=datetime.now(UTC) - timedelta(days=days))
        services.audit.events[-1] = aged
    assert sweeper.sweep()["forgotten"] == 0
    services.audit.kept_days = 365
    assert sweeper.sweep()["forgotten"] == 1
    assert len(services.audit.events) == 2

"""Rejects files made by workers that are real processes, one of which is killed at it."""

import signal
from collections.abc import Callable
from uuid import UUID

from chalicelib.core.jobs import Job, RejectsSource
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status
from tests.support.principals import REACH
from tests.support.waiting import wait_for
from tests.support.worker_processes import Sluice

COUNT = 40_000
FILE = b"id,name\n" + b"".join(b"%d,Ann,York\n" % n if n % 2 else b"%d,Ann\n" % n for n in range(2 * COUNT))


def is_made(job: Job) -> bool:
    return job.rejects_file is not None and job.rejects_file.key is not None


def content(sluice: Sluice, job: Job) -> bytes:
    """Return the job's rejects file; there is only one object of it."""
    (made,) = sluice.s3.list_objects_v2(
        Bucket=job.upload.bucket, Prefix=f"rejects/{job.tenant.name}/{job.id}/"
    )["Contents"]
    assert job.rejects_file is not None
    assert job.rejects_file.key == made["Key"]
    body: bytes = sluice.s3.get_object(Bucket=job.upload.bucket, Key=made["Key"])["Body"].read()
    return body


def test_a_file_is_made_after_its_worker_was_killed(make_sluice: Callable[..., Sluice]) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE="16384", SLUICE_SWEEP_SECONDS="1")
    first = sluice.start_worker()
    job_id = sluice.upload(FILE)
    assert sluice.finished(job_id).status is Status.COMPLETED

    files = sluice.services.of(REACH).rejects_files
    for _ in range(3):
        assert files.fetch(sluice.job(job_id), "rejects.csv") is None
    wait_for(lambda: holder(sluice, job_id))
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not is_made(sluice.job(job_id))

    sluice.start_worker()
    job = sluice.wait_for(job_id, is_made)
    assert job.rejects_file is not None
    assert (job.rejects_file.rejects, job.rejects_file.source) == (COUNT, RejectsSource.OBJECT)
    made = content(sluice, job)
    assert made.count(b",Ann,York") == COUNT
    assert files.fetch(job, "rejects.csv") is not None

    sluice.services.of(REACH).job_actions.act(job_id, Action.UNDO)
    undone = sluice.wait_for(job_id, lambda job: job.status is Status.UNDONE)
    assert content(sluice, undone) == made


def test_an_undo_makes_the_file_before_it_removes_the_rejects(make_sluice: Callable[..., Sluice]) -> None:
    sluice = make_sluice(SLUICE_BLOCK_SIZE="16384")
    sluice.start_worker()
    job_id = sluice.upload(FILE)
    assert sluice.finished(job_id).status is Status.COMPLETED
    sluice.services.of(REACH).job_actions.act(job_id, Action.UNDO)
    undone = sluice.wait_for(job_id, lambda job: job.status is Status.UNDONE)
    assert content(sluice, undone).count(b",Ann,York") == COUNT
    assert sluice.sql("SELECT count(*) FROM validation_errors") == [(0,)]


def holder(sluice: Sluice, job_id: UUID) -> bool:
    """Return whether a worker has the lease on the job's rejects file."""
    return bool(
        sluice.sql(
            "SELECT 1 FROM rejects_files WHERE job_id = %s AND lease_owner IS NOT NULL AND made_at IS NULL",
            job_id,
        )
    )

"""Read a job's row, and lock it before its status changes."""

from uuid import UUID

from chalicelib.backends.postgres.database import Connection, load_queries
from chalicelib.backends.postgres.mappers import Row, job_of
from chalicelib.core.errors import JobEnded
from chalicelib.core.jobs import Job
from chalicelib.core.model import Status

_SQL = load_queries("jobs.sql")
SELECT_JOBS = _SQL["select_jobs"]


def find_job(connection: Connection, job_id: UUID) -> Job | None:
    """Return the job with its sums over the ledger; None if it is unknown."""
    row = connection.execute(f"{SELECT_JOBS} {_SQL['where_id']}", {"id": job_id}).fetchone()
    return None if row is None else job_of(row)


def existing_job(connection: Connection, job_id: UUID) -> Job:
    """Return a job that must exist, because this transaction has locked or just created it."""
    job = find_job(connection, job_id)
    if job is None:
        raise AssertionError(f"job {job_id} does not exist")
    return job


def lock_job(connection: Connection, job_id: UUID) -> Row | None:
    """Lock the job until the transaction ends, and return its row; None if it is unknown.

    No block of the job is committed until then.
    """
    connection.execute(_SQL["wait_for_blocks"], {"id": job_id})
    return connection.execute(_SQL["lock_job"], {"id": job_id}).fetchone()


def lock_processing_job(connection: Connection, job_id: UUID, *, fence: Job | None = None) -> Row:
    """Lock a PROCESSING job, and return its row. Raises JobEnded for any other job.

    With ``fence``, raises JobEnded also if the job was claimed again since ``fence`` was read, unless its
    source and dialect are fixed already.
    """
    row = lock_job(connection, job_id)
    if row is None or row["status"] != Status.PROCESSING:
        raise JobEnded(f"job {job_id} is {row['status'] if row else 'unknown'}")
    if fence is not None and row["detected"] is None and row["attempts"] != fence.progress.attempts:
        raise JobEnded(f"job {job_id} has been taken over")
    return row


def remove_ranges(connection: Connection, job_id: UUID) -> None:
    """Remove the ranges that the job's file was split into."""
    connection.execute(_SQL["remove_ranges"], {"id": job_id})

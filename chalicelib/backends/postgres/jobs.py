"""Read a job's row, and hold it while its status is about to change."""

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
    """Return a job that must exist, because this transaction holds it or has just created it."""
    job = find_job(connection, job_id)
    if job is None:
        raise AssertionError(f"job {job_id} is gone")
    return job


def hold(connection: Connection, job_id: UUID) -> Row | None:
    """Lock the job until the transaction ends, and return its row; None if it is unknown.

    No block of the job is being committed meanwhile.
    """
    connection.execute(_SQL["wait_for_blocks"], {"id": job_id})
    return connection.execute(_SQL["lock_job"], {"id": job_id}).fetchone()


def hold_for_work(connection: Connection, job_id: UUID, *, fence: Job | None = None) -> Row:
    """Do the same for a job that is being worked on. Raises JobEnded for any other.

    With ``fence``, raises JobEnded also if the job was claimed again since ``fence`` was read, unless its
    source and dialect are fixed already.
    """
    held = hold(connection, job_id)
    if held is None or held["status"] != Status.PROCESSING:
        raise JobEnded(f"job {job_id} is {held['status'] if held else 'unknown'}")
    if fence is not None and held["detected"] is None and held["attempts"] != fence.progress.attempts:
        raise JobEnded(f"job {job_id} has been taken over")
    return held


def remove_ranges(connection: Connection, job_id: UUID) -> None:
    """Forget the ranges that the job's file was split into."""
    connection.execute(_SQL["remove_ranges"], {"id": job_id})

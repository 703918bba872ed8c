"""Read a job's row, and lock it before its status changes."""

from typing import LiteralString
from uuid import UUID

from chalicelib.backends.postgres.database import Connection, load_queries
from chalicelib.backends.postgres.mappers import Row, job_of, reach_parameters, transition_columns
from chalicelib.backends.postgres.rejects import remove_counts
from chalicelib.backends.postgres.rejects_files import withdraw
from chalicelib.backends.postgres.warnings import remove_warnings
from chalicelib.core.access import Reach
from chalicelib.core.errors import JobEnded
from chalicelib.core.jobs import Job
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status

_SQL = load_queries("jobs.sql")
SELECT_JOBS, JOIN_OTHERS = _SQL["select_jobs"], _SQL["join_others"]


def within(reach: Reach | None) -> LiteralString:
    """Return the condition that a job, `job` in the query, is within reach.

    It has only the parts that apply, instead of parameters that may be NULL: Postgres then plans the query
    once for a connection, not once for each request. Its parameters are those of `reach_parameters`.
    """
    if reach is None:
        return "true"
    parts = [_SQL["of_tenant"]]
    if reach.created_by is not None:
        parts.append(_SQL["of_creator"])
    if reach.datasets is not None:
        parts.append(_SQL["of_datasets"])
    return " AND ".join(parts)


def find_job(connection: Connection, job_id: UUID, reach: Reach | None = None) -> Job | None:
    """Return the job with its sums over the ledger; None if it is unknown, or not within reach."""
    query = f"{SELECT_JOBS} {_SQL['from_jobs']} {JOIN_OTHERS} {_SQL['where_id']} {within(reach)}"
    row = connection.execute(query, {"id": job_id, **reach_parameters(reach)}).fetchone()
    return None if row is None else job_of(row)


def existing_job(connection: Connection, job_id: UUID) -> Job:
    """Return a job that must exist, because this transaction has locked or just created it."""
    job = find_job(connection, job_id)
    if job is None:
        raise AssertionError(f"job {job_id} does not exist")
    return job


def look_at_job(connection: Connection, job_id: UUID, reach: Reach | None = None) -> Row | None:
    """Return the job's row as :func:`lock_job` does, without locking it; None if it is not within reach."""
    query = f"{_SQL['look_at_job']} {within(reach)}"
    return connection.execute(query, {"id": job_id, **reach_parameters(reach)}).fetchone()


def lock_job(connection: Connection, job_id: UUID) -> Row | None:
    """Lock the job until the transaction ends, and return its row; None if it is unknown.

    No block of the job is committed until then.
    """
    wait_for_blocks(connection, job_id)
    query = f"{_SQL['look_at_job']} {within(None)} {_SQL['for_change']}"
    return connection.execute(query, {"id": job_id}).fetchone()


def wait_for_blocks(connection: Connection, job_id: UUID) -> None:
    """Wait for the job's blocks that are being committed; admit no other until the transaction ends."""
    connection.execute(_SQL["wait_for_blocks"], {"id": job_id})


def lock_processing_job(connection: Connection, job: Job) -> Row:
    """Lock the job, and return its row. Raises JobEnded if it is not PROCESSING, or has another reading."""
    row = lock_job(connection, job.id)
    if row is None or row["status"] != Status.PROCESSING:
        raise JobEnded(f"job {job.id} is {row['status'] if row else 'unknown'}")
    if row["reading_no"] != job.reading_no:
        raise JobEnded(f"job {job.id} is read in another way")
    return row


def lock_job_to_open(connection: Connection, job: Job) -> Row:
    """Lock the job as :func:`lock_processing_job` does.

    Raises JobEnded also if the job was claimed again since it was read, unless its source and dialect are
    fixed already.
    """
    row = lock_processing_job(connection, job)
    if row["detected"] is None and row["attempts"] != job.progress.attempts:
        raise JobEnded(f"job {job.id} has been taken over")
    return row


def drop_reading(connection: Connection, job_id: UUID, *, same_object: bool) -> None:
    """Remove the reading of a job without blocks, and all that was found out with it.

    The next one has another number, so that no worker of this one can add to it. ``same_object``: it must be
    of the same object.
    """
    remove_warnings(connection, job_id)
    remove_counts(connection, job_id)
    remove_preview(connection, job_id)
    connection.execute(_SQL["drop_reading"], {"id": job_id, "same_object": same_object})


def remove_preview(connection: Connection, job_id: UUID) -> None:
    """Remove the job's preview."""
    connection.execute(_SQL["remove_preview"], {"id": job_id})


def has_blocks(connection: Connection, job_id: UUID) -> bool:
    """Return whether the job has loaded something."""
    row = connection.execute(_SQL["has_blocks"], {"id": job_id}).fetchone()
    return row is not None and row["has_blocks"]


def make_pending(connection: Connection, job_id: UUID, action: Action) -> None:
    """Let the job wait for a worker, as LOAD, RETRY and START_OVER do. A rejects file of it is void."""
    withdraw(connection, job_id, made=True)
    connection.execute(_SQL["make_pending"], {"id": job_id, **transition_columns(action)})


def remove_ranges(connection: Connection, job_id: UUID) -> None:
    """Remove the ranges that the job's file was split into."""
    connection.execute(_SQL["remove_ranges"], {"id": job_id})

"""Store the warnings of jobs, and read them: one for each code."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from chalicelib.backends.postgres.database import Connection, load_queries
from chalicelib.backends.postgres.mappers import warning_columns, warning_of
from chalicelib.core.jobs import Job
from chalicelib.core.warnings import FileWarning, JobWarning

_SQL = load_queries("warnings.sql")
_HEAD = -1  # in place of a block's number


def add_warnings(
    connection: Connection, job_id: UUID, block_no: int, warnings: Sequence[FileWarning]
) -> None:
    """Add the warnings of a block to its job."""
    for warning in warnings:  # no pipeline: behind one, Postgres does not end a transaction that is idle
        connection.execute(_SQL["add"], warning_columns(job_id, block_no, warning))


def add_head_warnings(connection: Connection, job_id: UUID, warnings: Sequence[FileWarning]) -> None:
    """Add the warnings of the job's detection."""
    add_warnings(connection, job_id, _HEAD, warnings)


def remove_warnings(connection: Connection, job_id: UUID) -> None:
    """Remove all warnings of a job."""
    connection.execute(_SQL["remove"], {"job_id": job_id})


def with_warnings(connection: Connection, jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs with their warnings; a duplicate file has those of the job that loaded it."""
    loaders = [job.outcome.duplicate_of or job.id for job in jobs]
    found = defaultdict[UUID, list[JobWarning]](list)
    for row in connection.execute(_SQL["select"], {"job_ids": loaders}):
        found[row["job_id"]].append(warning_of(row))
    return [replace(job, warnings=tuple(found[loader])) for job, loader in zip(jobs, loaders, strict=True)]

"""The job register: create, read and list jobs, and change their status for clients."""

from collections.abc import Sequence
from uuid import UUID

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.jobs import SELECT_JOBS, existing_job, find_job, lock_job, remove_ranges
from chalicelib.backends.postgres.mappers import (
    Row,
    job_of,
    new_job_columns,
    reject_of,
    source_columns,
    transition_columns,
)
from chalicelib.backends.postgres.warnings import with_warnings
from chalicelib.core.errors import NotPossible
from chalicelib.core.jobs import Job, NewJob
from chalicelib.core.lifecycle import Action, possible
from chalicelib.core.model import Source, Status, StoredReject

_SQL = load_queries("register.sql")
_STATEMENTS = {Action.CANCEL: "cancel_job", Action.RETRY: "retry_job", Action.UNDO: "begin_undo"}


class PostgresRegister:
    """Implement :class:`chalicelib.service.register.JobRegister`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def create(self, new: NewJob) -> Job:
        """See the port."""
        with transaction_on(self._pool) as connection:
            connection.execute(_SQL["create_dataset"], {"dataset": new.dataset})
            connection.execute(_SQL["create_job"], new_job_columns(new))
            return existing_job(connection, new.id)

    def get(self, job_id: UUID) -> Job | None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            return _job_with_warnings(connection, job_id)

    def list(
        self, *, limit: int, before: int | None, status: Status | None, dataset: str | None
    ) -> Sequence[Job]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            rows = connection.execute(
                f"{SELECT_JOBS} {_SQL['where_page']}",
                {"limit": limit, "before": before, "status": status, "dataset": dataset},
            )
            return with_warnings(connection, [job_of(row) for row in rows])

    def rejects(self, job_id: UUID, *, limit: int, after: tuple[int, int] | None) -> Sequence[StoredReject]:
        """See the port."""
        block, record = after or (-1, -1)
        with transaction_on(self._pool) as connection:
            rows = connection.execute(
                _SQL["select_rejects"],
                {"id": job_id, "limit": limit, "after_block": block, "after_record": record},
            )
            return [reject_of(row) for row in rows]

    def mark_arrived(self, job_id: UUID, source: Source) -> bool:
        """See the port."""
        with transaction_on(self._pool) as connection:
            return connection.execute(_SQL["mark_arrived"], source_columns(job_id, source)).rowcount > 0

    def act(self, job_id: UUID, action: Action) -> Job | None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = lock_job(connection, job_id)
            if row is None:
                return None
            _check(action, row)
            if action is Action.UNDO:
                _check_no_duplicate_depends_on(connection, job_id)
            remove_ranges(connection, job_id)
            connection.execute(_SQL[_STATEMENTS[action]], {"id": job_id, **transition_columns(action)})
            return _job_with_warnings(connection, job_id)

    def ping(self) -> None:
        """Return if the database answers. Raises RetryLater."""
        with transaction_on(self._pool) as connection:
            connection.execute("SELECT 1")


def _job_with_warnings(connection: Connection, job_id: UUID) -> Job | None:
    job = find_job(connection, job_id)
    return None if job is None else with_warnings(connection, [job])[0]


def _check(action: Action, row: Row) -> None:
    """Raise NotPossible if the job does not allow the action."""
    if action not in possible(Status(row["status"])):
        raise NotPossible(f"A job that is {row['status']} allows no {action}.")
    if action is Action.RETRY and row["purged_at"] is not None:
        raise NotPossible("The record of what this job had loaded has been removed: upload the file again.")
    if action is Action.RETRY and row["upload_id"] is not None and row["uploaded_at"] is None:
        raise NotPossible("The parts of the file were removed when the job was canceled: upload it again.")


def _check_no_duplicate_depends_on(connection: Connection, job_id: UUID) -> None:
    """Raise NotPossible if a job for the same file counts on this one's rows.

    A statement of its own, after the lock: only then it sees the transactions that committed before.
    """
    duplicate = connection.execute(_SQL["duplicate_of_job"], {"id": job_id}).fetchone()
    if duplicate is not None:
        raise NotPossible(
            f"Job {duplicate['id']} brought the same file and counts on this one's rows: undo it."
        )

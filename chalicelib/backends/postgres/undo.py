"""Undo a job: remove the rows that only this job brought, its rejects, warnings, preview and ledger.

A job that is to be read again is undone first, and loses its reading with the ledger's last row. A job that
rolls back loses its rows only: its rejects, warnings and ledger still say why it failed.

One step at a time, each in a transaction of its own, so that other writers never wait long and a worker that
dies loses little. A row that another job brought too, before or after, stays.
"""

from collections.abc import Callable
from typing import Any

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.jobs import drop_reading, make_pending, remove_preview
from chalicelib.backends.postgres.mappers import transition_columns
from chalicelib.backends.postgres.rejects import remove_counts
from chalicelib.backends.postgres.warnings import remove_warnings
from chalicelib.core.errors import JobEnded
from chalicelib.core.jobs import Job
from chalicelib.core.lifecycle import Action
from chalicelib.destinations import Destination

_SQL = load_queries("undo.sql")
_REJECTS = 50_000  # removed in one transaction


class PostgresUndo:
    """Implement :class:`chalicelib.service.attempt.Undo`."""

    def __init__(self, pool: Pool, destination: Destination[Connection]) -> None:
        self._pool = pool
        self._destination = destination

    def undo(self, job: Job, *, owner: str, keep_going: Callable[[], bool]) -> bool:
        """See the port."""
        parameters = {"id": job.id, "reading_no": job.reading_no, "owner": owner}
        parameters |= transition_columns(Action.FINISH_UNDO)
        if not self._remove_rows(job, parameters, keep_going):
            return False
        if job.rolls_back:
            self._finish_rollback(parameters)
            return True
        while self._remove_rejects(parameters):
            if not keep_going():
                return False
        with transaction_on(self._pool) as connection:
            remove_warnings(connection, job.id)
            remove_counts(connection, job.id)
            remove_preview(connection, job.id)
            _note_removed(connection, parameters, 0)
            connection.execute(_SQL["remove_ledger"], parameters)
            if job.rereads:
                drop_reading(connection, job.id, same_object=True)
                make_pending(connection, job.id, Action.START_OVER)
            else:
                connection.execute(_SQL["finish_undo"], parameters)
        return True

    def _remove_rows(self, job: Job, parameters: dict[str, Any], keep_going: Callable[[], bool]) -> bool:
        """Remove the rows; return False if ``keep_going`` returned False before the end."""
        with transaction_on(self._pool) as connection:
            steps = self._destination.removal_steps(connection, job)
        for step in steps:
            if not keep_going():
                return False
            with transaction_on(self._pool) as connection:
                _note_removed(connection, parameters, self._destination.remove(connection, job, step))
        return True

    def _finish_rollback(self, parameters: dict[str, Any]) -> None:
        with transaction_on(self._pool) as connection:
            _note_removed(connection, parameters, 0)
            connection.execute(
                _SQL["finish_undo"], {**parameters, **transition_columns(Action.FINISH_ROLLBACK)}
            )

    def _remove_rejects(self, parameters: dict[str, Any]) -> bool:
        """Remove some rejects; return whether there were any. Raises JobEnded without the lease."""
        with transaction_on(self._pool) as connection:
            count = connection.execute(_SQL["remove_rejects"], {**parameters, "limit": _REJECTS}).rowcount
            _note_removed(connection, parameters, 0)
        return count > 0


def _note_removed(connection: Connection, parameters: dict[str, Any], rows: int) -> None:
    """Add to the count of removed rows. Raises JobEnded without the lease."""
    if not connection.execute(_SQL["note_removed"], {**parameters, "removed": rows}).rowcount:
        raise _lease_ended(parameters)


def _lease_ended(parameters: dict[str, Any]) -> JobEnded:
    return JobEnded(f"undoing job {parameters['id']} was taken over by another worker")

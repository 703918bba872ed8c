"""Takes back what a job loaded: the rows that it alone brought, its rejects and its ledger.

A stretch of the table at a time, each in a transaction of its own, so that nobody waits long and a worker
that dies loses little. Which rows a job alone brought is known by `first_job` and `last_job`; a row that
another job brought too, before or after, stays.
"""

from collections.abc import Callable
from typing import Any

from chalicelib.backends.postgres.database import Connection, Pool, borrowed, load_queries
from chalicelib.core.errors import JobEnded
from chalicelib.core.lifecycle import TRANSITIONS, Action
from chalicelib.core.model import Job

_SQL = load_queries("undo.sql")
_PAGES = 1000  # of 8 KiB; some ten thousand rows
_REJECTS = 50_000  # at once


def undo(pool: Pool, job: Job, owner: str, keep_going: Callable[[], bool]) -> bool:
    """See :meth:`chalicelib.core.ports.Claims.undo`."""
    transition = TRANSITIONS[Action.FINISH_UNDO]
    known = {
        "id": job.id,
        "number": job.number,
        "dataset_id": job.dataset_id,
        "owner": owner,
        "before": sorted(transition.before),
        "after": transition.after,
    }
    for start in _stretches(pool, known):
        if not keep_going():
            return False
        with borrowed(pool) as connection:
            _remove(connection, known, start)
    while _remove_rejects(pool, known):
        if not keep_going():
            return False
    with borrowed(pool) as connection:
        connection.execute(_SQL["remove_ledger"], known)
        if not connection.execute(_SQL["finish_undo"], known).rowcount:
            raise JobEnded(f"undoing job {job.id} was taken over by another worker")
    return True


def _stretches(pool: Pool, known: dict[str, Any]) -> range:
    """Where each stretch of the table begins, as page numbers."""
    with borrowed(pool) as connection:
        pages = connection.execute(_SQL["pages"], known).fetchone()
    if pages is None or pages["first"] is None:
        return range(0)
    return range(pages["first"], pages["last"] + 1, _PAGES)


def _remove_rejects(pool: Pool, known: dict[str, Any]) -> bool:
    """Some of them; whether there were any. Raises JobEnded if the lease was lost."""
    with borrowed(pool) as connection:
        removed = connection.execute(_SQL["remove_rejects"], {**known, "most": _REJECTS}).rowcount
        _note(connection, known, rows=0)
    return removed > 0


def _remove(connection: Connection, known: dict[str, Any], start: int) -> None:
    stretch = {"start": f"({start},0)", "stop": f"({start + _PAGES},0)"}
    removed = connection.execute(_SQL["remove_rows"], {**known, **stretch}).rowcount
    _note(connection, known, rows=removed)


def _note(connection: Connection, known: dict[str, Any], rows: int) -> None:
    if not connection.execute(_SQL["note_removed"], {**known, "removed": rows}).rowcount:
        raise JobEnded(f"undoing job {known['id']} was taken over by another worker")

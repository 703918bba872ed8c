"""Change a job although others hold its locks: end their transactions.

Postgres rolls each of them back whole, and its worker, which gets RetryLater, looks at the job again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from psycopg import errors

from chalicelib.backends.postgres.database import APPLICATION, Connection, load_queries
from chalicelib.core.errors import RetryLater

_SQL = load_queries("holding.sql")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Patience:
    """How long an action on a job waits for transactions that have locked it. Times in seconds."""

    commit: float = 0.7  # for a block that is being committed; after that its transaction is ended
    again: float = 0.2  # after each round of that
    longest: float = 1.6  # in all: the client gets its answer within two seconds
    idle: float = 0.5  # a transaction that has done nothing for so long is a frozen process's


PATIENCE = Patience()


def change_job(connection: Connection, job_id: UUID, change: Callable[[], _T], patience: Patience) -> _T:
    """Return what ``change`` returns, which locks the job; end the transactions that keep it waiting.

    Those are transactions of blocks, which hold the job's advisory lock, and of processes that are frozen.
    ``change`` is called again then, with nothing changed. What it raises is raised; RetryLater if the locks
    are not free in time.
    """
    deadline = time.monotonic() + patience.longest
    wait = patience.commit
    while True:
        try:
            with connection.transaction():  # a savepoint
                connection.execute(_SQL["wait_for_locks"], [f"{wait * 1000:.0f}ms"])
                return change()
        except errors.LockNotAvailable as error:
            if time.monotonic() >= deadline:
                raise RetryLater(f"job {job_id} is locked: {error}") from error
        connection.execute(
            _SQL["end_transactions"],
            {"id": job_id, "application": APPLICATION, "idle_seconds": patience.idle},
        )
        wait = patience.again

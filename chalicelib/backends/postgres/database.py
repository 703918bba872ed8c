"""Connections to Postgres, and its errors, sorted by how the caller must react."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import errors
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import RetryLater

Connection = psycopg.Connection[DictRow]
APPLICATION = "sluice"  # the name of its connections in Postgres

# A process that froze, or lost its network, must not keep its locks: Postgres ends its transaction. Set
# within each transaction, because connection poolers (PgBouncer, RDS Proxy) keep no session settings. A block
# takes about a second.
_LIMITS = """
    SELECT set_config('lock_timeout', '10s', true),
           set_config('idle_in_transaction_session_timeout', %s, true),
           set_config('statement_timeout', '10min', true)
"""

# What people are told about an error, by SQLSTATE. Source: PostgreSQL documentation, appendix A.
_TOLD = {
    "25006": "The database takes no changes.",  # read_only_sql_transaction
    "40001": "The database is busy with other work on the same rows.",  # serialization_failure
    "40P01": "The database is busy with other work on the same rows.",  # deadlock_detected
    "53100": "The database has no room left on its disk.",  # disk_full
    "53200": "The database has no memory left.",  # out_of_memory
    "53300": "The database has no connection left.",  # too_many_connections
    "55P03": "The database is busy with other work on the same rows.",  # lock_not_available
    "57014": "The database took too long.",  # query_canceled: statement_timeout
}

# A server that no longer replies is noticed after half a minute (libpq's parameters).
_ALIVE = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Pool(ConnectionPool[Connection]):
    """Lend connections; connect on first use, and check a connection before lending it.

    A callable ``url`` is called for each new connection, because passwords are rotated. Borrowing waits up to
    ``wait_seconds`` for a connection. Postgres rolls back a transaction that is idle for ``idle_seconds``.
    """

    def __init__(
        self, url: str | Callable[[], str], *, size: int, wait_seconds: float = 5, idle_seconds: float = 30
    ) -> None:
        super().__init__(
            url,
            connection_class=Connection,
            kwargs={"row_factory": dict_row, "connect_timeout": 5, "application_name": APPLICATION, **_ALIVE},
            min_size=0,
            max_size=size,
            timeout=wait_seconds,
            # otherwise the pool waits about twice as long after an outage
            reconnect_timeout=wait_seconds,
            check=ConnectionPool.check_connection,
            open=False,
        )
        self.idle_seconds = idle_seconds


@contextmanager
def transaction_on(pool: Pool) -> Iterator[Connection]:
    """Lend a connection in a transaction: committed at the end, rolled back on an exception.

    Raises RetryLater for errors after which the same work may succeed: no connection, a broken one, a server
    that shuts down, a deadlock, a serialization failure (all of them psycopg.OperationalError).
    """
    pool.open()  # does nothing when it is open
    try:
        # Begin the transaction here: psycopg commits at the end of a `transaction()` block that is the first
        # thing on a connection, so a later savepoint would commit everything.
        with pool.connection() as connection, connection.transaction():
            connection.execute(_LIMITS, [f"{pool.idle_seconds:.0f}s"])
            yield connection
    except errors.ProgramLimitExceeded:  # an OperationalError that waiting does not repair
        raise
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        errors.ReadOnlySqlTransaction,  # the primary has become a standby
        errors.IdleInTransactionSessionTimeout,  # this process was frozen
    ) as error:
        told = _TOLD.get(error.sqlstate or "")
        raise RetryLater(f"the database is not available: {error}", Dependency.DATABASE, told=told) from error


def load_queries(name: str) -> dict[str, LiteralString]:
    """Return the statements of the file ``name`` beside this module, by their `-- name: x` lines."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    queries = {}
    for section in text.split("-- name: ")[1:]:
        title, _, body = section.partition("\n")
        queries[title.strip()] = body.strip()
    return queries

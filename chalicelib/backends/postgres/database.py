"""Connections to Postgres, and its errors sorted by what to do about them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import errors
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from chalicelib.core.errors import RetryLater

Connection = psycopg.Connection[DictRow]

# A process that froze, or that the network cut off, must not keep others from what it has locked: Postgres
# ends its transaction, and nobody waits for a lock for ever. Set within each transaction, as poolers of
# connections (PgBouncer, RDS Proxy) keep no settings of a session. A block takes a second or so.
_LIMITS = """
    SELECT set_config('lock_timeout', '10s', true),
           set_config('idle_in_transaction_session_timeout', %s, true),
           set_config('statement_timeout', '10min', true)
"""


# A server that is gone without a word is noticed within half a minute (libpq's parameters).
_ALIVE = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Pool(ConnectionPool[Connection]):
    """Connects when first asked and checks a connection before it lends it.

    ``url`` is asked for each new connection: passwords are rotated.

    Asking it waits up to ``wait_seconds`` for a connection. A transaction in which nothing was heard of this
    process for ``idle_seconds`` is rolled back.
    """

    def __init__(
        self, url: str | Callable[[], str], *, size: int, wait_seconds: float = 5, idle_seconds: float = 30
    ) -> None:
        super().__init__(
            url,
            connection_class=Connection,
            kwargs={"row_factory": dict_row, "connect_timeout": 5, "application_name": "sluice", **_ALIVE},
            min_size=0,
            max_size=size,
            timeout=wait_seconds,
            # else the pool waits about as long again after an outage before it tries once more
            reconnect_timeout=wait_seconds,
            check=ConnectionPool.check_connection,
            open=False,
        )
        self.idle_seconds = idle_seconds


@contextmanager
def borrowed(pool: Pool) -> Iterator[Connection]:
    """A connection in a transaction: committed at the end, rolled back on an exception.

    Raises RetryLater for everything that time or another attempt may mend: no connection, a lost one,
    a server that shuts down, a deadlock, a serialization failure (all of them psycopg.OperationalError).
    """
    pool.open()  # does nothing when it is open
    try:
        # The transaction is begun here, not by the first statement: psycopg takes a `transaction()` block
        # that is the first thing on a connection for the whole transaction, and commits at its end.
        with pool.connection() as connection, connection.transaction():
            connection.execute(_LIMITS, [f"{pool.idle_seconds:.0f}s"])
            yield connection
    except errors.ProgramLimitExceeded:  # an OperationalError that no waiting mends
        raise
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        errors.ReadOnlySqlTransaction,  # what was the primary is a standby now
        errors.IdleInTransactionSessionTimeout,  # this process was frozen
    ) as error:
        raise RetryLater(f"the database is not available: {error}") from error


def load_queries(name: str) -> dict[str, LiteralString]:
    """The statements of the file ``name`` beside this module, by the names in its `-- name: x` lines."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    queries = {}
    for part in text.split("-- name: ")[1:]:
        title, _, body = part.partition("\n")
        queries[title.strip()] = body.strip()
    return queries

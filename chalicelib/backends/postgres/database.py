"""Connections to Postgres, and its errors sorted by what to do about them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import errors
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from chalicelib.errors import RetryLater

Connection = psycopg.Connection[DictRow]
Pool = ConnectionPool[Connection]


def connect_pool(url: str, *, size: int, wait_seconds: float = 5) -> Pool:
    """A pool that connects when first asked and checks a connection before it lends it.

    Asking it waits up to ``wait_seconds`` for a connection.
    """
    return ConnectionPool(
        url,
        connection_class=Connection,
        kwargs={"row_factory": dict_row, "connect_timeout": 5, "application_name": "sluice"},
        min_size=0,
        max_size=size,
        timeout=wait_seconds,
        check=ConnectionPool.check_connection,
        open=False,
    )


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
            yield connection
    except errors.ProgramLimitExceeded:  # an OperationalError that no waiting mends
        raise
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        errors.ReadOnlySqlTransaction,  # what was the primary is a standby now
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

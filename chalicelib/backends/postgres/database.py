"""Connections to Postgres, and its errors, sorted by how the caller must react."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import LiteralString, TypeVar, cast

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from chalicelib import interruption
from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import RetryLater
from chalicelib.interruption import Interrupted

_SOON = 1.0  # seconds in which a request is answered, or asked about
_CANCEL_SECONDS = 0.5
_Value = TypeVar("_Value")
APPLICATION = "sluice"  # the name of its connections in Postgres


class Connection(psycopg.Connection[DictRow]):
    """A connection, with the time of its last use.

    A request that the server does not answer soon is given up if the work of the thread should stop.
    """

    used_at = -math.inf  # on the monotonic clock, in seconds

    def wait(self, gen: PQGen[_Value], interval: float = 0.1, timeout: float | None = None) -> _Value:
        """Wait for an answer as psycopg does. Raises Interrupted; the connection is closed then."""
        try:
            return super().wait(_asking(gen), interval, timeout)
        except Interrupted:
            # The server ends the statement, or, if it is frozen, the transaction when it wakes up.
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=_CANCEL_SECONDS)
            self.pgconn.finish()
            raise


def _asking(gen: PQGen[_Value]) -> PQGen[_Value]:
    """Do what ``gen`` does. Raises Interrupted if it has to wait for long, and work should stop."""
    start = time.monotonic()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() - start > _SOON:
                interruption.check()
            wanted = gen.send(ready)
    except StopIteration as end:
        return cast("_Value", end.value)


# A process that froze, or lost its network, must not keep its locks: Postgres ends its transaction. Set
# within each transaction, because connection poolers (PgBouncer, RDS Proxy) keep no session settings. A block
# takes about a second. One request: each costs as much as a small statement.
_BEGIN = """
    BEGIN;
    SET LOCAL lock_timeout = '10s';
    SET LOCAL idle_in_transaction_session_timeout = '{idle:.0f}s';
    SET LOCAL statement_timeout = '10min'
"""
_TRUSTED_SECONDS = 5.0  # after its last use, a connection is lent without a check

# What people are told about an error, by SQLSTATE. Source: PostgreSQL documentation, appendix A.
_TOLD = {
    "25006": "The database does not accept changes.",  # read_only_sql_transaction
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
    """Lend connections; connect on first use, and check a connection before lending it after a pause.

    A callable ``url`` is called for each new connection, because passwords are rotated. Borrowing waits up to
    ``wait_seconds`` for a connection; ``on_failure`` is called when none could be made for so long. Postgres
    rolls back a transaction that is idle for ``idle_seconds``.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        *,
        size: int,
        wait_seconds: float = 5,
        idle_seconds: float = 30,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            url,
            connection_class=Connection,
            # autocommit: psycopg would begin transactions with a request of its own
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "connect_timeout": 5,
                "application_name": APPLICATION,
                **_ALIVE,
            },
            min_size=0,
            max_size=size,
            timeout=wait_seconds,
            # otherwise the pool waits about twice as long after an outage
            reconnect_timeout=wait_seconds,
            reconnect_failed=lambda _pool: on_failure(),
            check=_check,
            open=False,
        )
        self.begin = _BEGIN.format(idle=idle_seconds).encode()


def _is_trusted(connection: Connection) -> bool:
    """Return whether the connection was in use a moment ago, so that it is lent without a check."""
    return time.monotonic() - connection.used_at <= _TRUSTED_SECONDS


def _check(connection: Connection) -> None:
    """Raise psycopg's error if the connection is broken, unless it is trusted."""
    if not _is_trusted(connection):
        ConnectionPool.check_connection(connection)


def _begin(pool: Pool, tenant_id: int | None, *, is_operator: bool) -> Connection:
    """Borrow a connection, and begin a transaction on it. Raises psycopg's errors."""
    # for a role under row-level security, which sees nothing without it
    begin = pool.begin if tenant_id is None else pool.begin + b"; SET LOCAL sluice.tenant = '%d'" % tenant_id
    if is_operator:
        begin += b"; SET LOCAL sluice.operator = 'on'"
    while True:
        connection = pool.getconn()
        try:
            connection.execute(begin, prepare=False)  # several statements cannot be prepared
        except BaseException as error:
            is_broken = isinstance(error, psycopg.OperationalError) and connection.broken
            is_retried = is_broken and _is_trusted(connection)  # nothing was done: another one may be whole
            pool.putconn(connection)
            if not is_retried:
                raise
        else:
            return connection


@contextmanager
def transaction_on(
    pool: Pool, tenant_id: int | None = None, *, is_operator: bool = False
) -> Iterator[Connection]:
    """Lend a connection in a transaction: committed at the end, rolled back on an exception.

    ``tenant_id`` names the tenant on whose behalf the transaction is. ``is_operator``: it is for what belongs
    to no tenant, or to all.

    Raises RetryLater for errors after which the same work may succeed: no connection, a broken one, a server
    that shuts down, a deadlock, a serialization failure (all of them psycopg.OperationalError).
    """
    pool.open()  # does nothing when it is open
    try:
        connection = _begin(pool, tenant_id, is_operator=is_operator)
        try:
            # Commits or rolls back at the end. A `transaction()` within is a savepoint.
            with connection:
                yield connection
                connection.used_at = time.monotonic()
        finally:
            pool.putconn(connection)
    except errors.ProgramLimitExceeded:  # an OperationalError that waiting does not repair
        raise
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        errors.ReadOnlySqlTransaction,  # the primary has become a standby
        errors.IdleInTransactionSessionTimeout,  # this process was frozen
    ) as error:
        interruption.check()  # a request that is given up looks like an outage
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

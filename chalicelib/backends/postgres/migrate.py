"""Bring a database to the schema of this version. Idempotent, and safe to run concurrently.

Workers may load meanwhile. A migration runs in a transaction, which waits for a lock only briefly, because
others wait behind it, and then tries again. A file that begins with `-- sluice: no transaction` holds
what takes long and locks nothing, such as `CREATE INDEX CONCURRENTLY`: statements that may be repeated, with
blank lines between them. In one that begins with `-- sluice: in steps`, each such step has a transaction of
its own, so that none holds the locks of several tables that are in use. The steps may be repeated, too.
"""

import hashlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg
from psycopg import errors

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x51_1C_E0  # for pg_advisory_lock: any number that no other code uses
_NO_TRANSACTION = b"-- sluice: no transaction\n"
_IN_STEPS = b"-- sluice: in steps\n"
_LOCK_WAIT = "2s"
_TRIES, _PAUSE = 60, 1.0  # seconds between two


class SchemaMismatch(Exception):  # noqa: N818 - names the state of the database
    """The database was migrated by other files than the ones of this version."""


def migrate(url: str) -> list[str]:
    """Apply the missing migrations, each in a transaction of its own, and return their names.

    Raises SchemaMismatch when an applied migration is not the file of that name,
    psycopg.Error when the database cannot be reached or refuses.
    """
    with psycopg.connect(url, autocommit=True, application_name="sluice-migrate") as connection:
        _take_lock(connection)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        digests: dict[str, str] = dict(
            connection.execute("SELECT name, sha256 FROM schema_migrations").fetchall()
        )
        return [
            path.name
            for path in sorted(FOLDER.glob("[0-9]*.sql"))
            if _apply(connection, path, digests.pop(path.name, None))
        ]


def _take_lock(connection: psycopg.Connection) -> None:
    """Lock out other migrations until the connection closes.

    Asks again and again: a statement that waits would hold a snapshot, for which `CREATE INDEX CONCURRENTLY`
    of the migration under way would wait.
    """
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if row is not None and row[0]:
            return
        time.sleep(_PAUSE)


def _apply(connection: psycopg.Connection, path: Path, applied_digest: str | None) -> bool:
    sql = path.read_bytes()
    digest = hashlib.sha256(sql).hexdigest()
    if applied_digest == digest:
        return False
    if applied_digest is not None:
        raise SchemaMismatch(
            f"migration {path.name} was applied with other contents; this is another version"
        )
    if sql.startswith(_NO_TRANSACTION):
        for statement in sql.split(b"\n\n"):
            connection.execute(statement)
        _note(connection, path.name, digest)
        return True
    *earlier_steps, last_step = sql.split(b"\n\n") if sql.startswith(_IN_STEPS) else [sql]
    for step in earlier_steps:
        _in_transaction(connection, partial(connection.execute, step))

    def finish() -> None:
        connection.execute(last_step)
        _note(connection, path.name, digest)

    _in_transaction(connection, finish)
    return True


def _in_transaction(connection: psycopg.Connection, work: Callable[[], object]) -> None:
    """Do the work in a transaction, again if it has to wait for a lock for long. Raises psycopg.Error."""
    for tries_left in reversed(range(_TRIES)):
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
                work()
        except errors.LockNotAvailable:
            if not tries_left:
                raise
            time.sleep(_PAUSE)
        else:
            break


def _note(connection: psycopg.Connection, name: str, digest: str) -> None:
    connection.execute("INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)", [name, digest])

"""Bring a database to the schema of this version. Idempotent, and safe to run concurrently."""

import hashlib
from pathlib import Path

import psycopg

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x51_1C_E0  # for pg_advisory_lock: any number that no other code uses


class SchemaMismatch(Exception):  # noqa: N818 - names the state of the database
    """The database was migrated by other files than the ones of this version."""


def migrate(url: str) -> list[str]:
    """Apply the missing migrations, each in a transaction of its own, and return their names.

    Raises SchemaMismatch when an applied migration is not the file of that name,
    psycopg.Error when the database cannot be reached or refuses.
    """
    with psycopg.connect(url, autocommit=True, application_name="sluice-migrate") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])  # until the connection closes
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


def _apply(connection: psycopg.Connection, path: Path, applied_digest: str | None) -> bool:
    sql = path.read_bytes()
    digest = hashlib.sha256(sql).hexdigest()
    if applied_digest == digest:
        return False
    if applied_digest is not None:
        raise SchemaMismatch(
            f"migration {path.name} was applied with other contents; this is another version"
        )
    with connection.transaction():
        connection.execute(sql)
        connection.execute(
            "INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)", [path.name, digest]
        )
    return True

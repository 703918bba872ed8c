"""`python -m chalicelib.migrate`: bring the database in DATABASE_URL to the schema of this version."""

import sys

import psycopg

from chalicelib.backends.postgres.migrate import SchemaMismatch, migrate
from chalicelib.core.errors import RetryLater
from chalicelib.settings import SettingError
from chalicelib.wiring import services


def main() -> int:
    """Apply missing migrations and print their names; return 0, or 1 with the reason on standard error."""
    try:
        applied = migrate(services().database_url())
    except (SettingError, RetryLater, SchemaMismatch, psycopg.Error) as error:
        print(f"migration failed: {error}", file=sys.stderr)
        return 1
    print(f"applied: {', '.join(applied)}" if applied else "the schema is up to date")
    return 0

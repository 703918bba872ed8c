"""`python -m chalicelib.migrate`: bring the database in DATABASE_URL to the schema of this version."""

import sys

import psycopg

from chalicelib.backends.postgres.audit import keep_events
from chalicelib.backends.postgres.migrate import SchemaMismatch, migrate
from chalicelib.core.errors import RetryLater
from chalicelib.settings import SettingError
from chalicelib.wiring import Services, services


def migrate_database(sluice: Services) -> list[str]:
    """Apply missing migrations, and return their names. Note how long events of the audit log are kept.

    Raises SettingError, RetryLater, SchemaMismatch, psycopg.Error.
    """
    url = sluice.database_url()
    applied = migrate(url)
    keep_events(url, sluice.settings.audit_days)
    return applied


def main() -> int:
    """Apply missing migrations and print their names; return 0, or 1 with the reason on standard error."""
    try:
        applied = migrate_database(services())
    except (SettingError, RetryLater, SchemaMismatch, psycopg.Error) as error:
        print(f"migration failed: {error}", file=sys.stderr)
        return 1
    print(f"applied: {', '.join(applied)}" if applied else "the schema is up to date")
    return 0

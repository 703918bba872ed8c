"""A database as one of Sluice's roles sees it, and what was asked of it."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.abc import Params, Query
from psycopg.rows import DictRow

from chalicelib.backends.postgres import database
from chalicelib.backends.postgres.roles import GROUPS

Statement = tuple[str, dict[str, Any]]


def as_role(owner_url: str, role: str) -> str:
    """Return the address at which the database is used as the role, of which the owner becomes a member."""
    with psycopg.connect(owner_url) as connection:
        connection.execute(f"GRANT {GROUPS[role]} TO CURRENT_USER")
    return f"{owner_url}?options=-c%20role%3D{GROUPS[role]}"


class RecordingPool(database.Pool):
    """A pool that keeps the statements that were executed, with their parameters."""

    def __init__(self, url: str) -> None:
        super().__init__(url, size=4)
        self.statements: list[Statement] = []

    def getconn(self, timeout: float | None = None) -> database.Connection:
        """Lend a connection whose cursors record."""
        connection = super().getconn(timeout)
        statements = self.statements

        class Recording(psycopg.Cursor[DictRow]):
            def execute(self, query: Query, params: Params | None = None, **options: Any) -> Any:
                assert isinstance(query, str | bytes)
                text = query if isinstance(query, str) else query.decode()
                if not text.strip().startswith("BEGIN"):
                    statements.append((text, _named(params)))
                return super().execute(query, params, **options)

        connection.cursor_factory = Recording
        return connection


def _named(params: Params | None) -> dict[str, Any]:
    """Return the parameters; of a statement whose parameters have no names, none."""
    return dict(params) if isinstance(params, Mapping) else {}

"""The audit log."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import psycopg

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.mappers import audit_columns, audit_event_of
from chalicelib.core.audit import Actor, AuditEvent, AuditFilters, Target
from chalicelib.core.tenants import Tenant

_SQL = load_queries("audit.sql")


class PostgresAuditLog:
    """Implement :class:`chalicelib.service.audit.AuditLog`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def _transaction(self, tenant_id: int | None) -> AbstractContextManager[Connection]:
        """Begin a transaction for the events of a tenant, or for all."""
        return transaction_on(self._pool, tenant_id, is_operator=tenant_id is None)

    def note_refusal(self, actor: Actor, target: Target, status: int) -> None:
        """See the port."""
        with self._transaction(target.tenant_id) as connection:
            _note(connection, actor, target, status)

    def note(self, actor: Actor | None, target: Target) -> None:
        """See the port."""
        if actor is not None:
            with self._transaction(target.tenant_id) as connection:
                _note(connection, actor, target, None)

    def list(
        self, filters: AuditFilters, *, reader: Tenant | None, limit: int, before: int | None
    ) -> Sequence[AuditEvent]:
        """See the port."""
        parameters = {**vars(filters), "limit": limit, "before": before}
        with self._transaction(None if reader is None else reader.id) as connection:
            return [audit_event_of(row) for row in connection.execute(_SQL["page"], parameters)]


def note(connection: Connection, actor: Actor | None, target: Target) -> None:
    """Note what the transaction does. Without an actor, nothing: workers and sweeps act by themselves."""
    if actor is not None:
        _note(connection, actor, target, None)


def _note(connection: Connection, actor: Actor, target: Target, refused: int | None) -> None:
    connection.execute(_SQL["note"], {**audit_columns(actor, target), "refused": refused})


def keep_events(url: str, days: int) -> None:
    """Let sweeps remove events that are older than ``days``; 0: none. Only the owner may.

    Raises psycopg.Error.
    """
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM audit_retention")
        if days:
            connection.execute("INSERT INTO audit_retention VALUES (%s)", [days])

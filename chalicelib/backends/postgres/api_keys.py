"""API keys, by their hashes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from uuid import UUID, uuid4

from chalicelib.backends.postgres.audit import note
from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.mappers import api_key_columns, api_key_of
from chalicelib.core.api_keys import MOST_LIVE, ApiKey, NewApiKey
from chalicelib.core.audit import Actor, Target
from chalicelib.core.errors import NotPossible
from chalicelib.core.names import shown
from chalicelib.core.tenants import Tenant

_SQL = load_queries("api_keys.sql")


class PostgresApiKeys:
    """Implement :class:`chalicelib.service.api_keys.ApiKeyRegister`."""

    def __init__(self, pool: Pool, actor: Actor | None = None) -> None:
        self._pool = pool
        self._actor = actor

    def by(self, actor: Actor | None) -> "PostgresApiKeys":
        """See the port."""
        return PostgresApiKeys(self._pool, actor)

    def _transaction(self, tenant: Tenant | None) -> AbstractContextManager[Connection]:
        """Begin a transaction for the keys of a tenant, or for all."""
        return transaction_on(self._pool, None if tenant is None else tenant.id, is_operator=tenant is None)

    def create(self, new: NewApiKey, key_hash: bytes) -> ApiKey:
        """See the port."""
        columns = {"id": uuid4(), "hash": key_hash, **api_key_columns(new)}
        with self._transaction(new.tenant) as connection:
            connection.execute(_SQL["lock_name"], columns)  # two requests at once count each other's key
            live = connection.execute(_SQL["count_live"], columns).fetchone()
            if live is not None and live["count"] >= MOST_LIVE:
                raise NotPossible(
                    f"There are {live['count']} live keys with the name {shown(new.name)}: "
                    "the one in use and its successor. Revoke one of them."
                )
            connection.execute(_SQL["create"], columns)
            row = connection.execute(f"{_SQL['select']} {_SQL['where_id']}", columns).fetchone()
            if row is None:
                raise AssertionError("a key does not exist after it was created")
            return self._noted(connection, api_key_of(row))

    def find(self, key_hash: bytes) -> ApiKey | None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = connection.execute(_SQL["find"], {"hash": key_hash}).fetchone()
            return None if row is None else api_key_of(row)

    def get(self, key_id: UUID) -> ApiKey | None:
        """See the port."""
        with self._transaction(None) as connection:  # of any tenant: it is asked before one is known
            row = connection.execute(f"{_SQL['select']} {_SQL['where_id']}", {"id": key_id}).fetchone()
            return None if row is None else api_key_of(row)

    def list(self, *, tenant: Tenant | None, limit: int, before: int | None) -> Sequence[ApiKey]:
        """See the port."""
        parameters = {"tenant_id": None if tenant is None else tenant.id, "limit": limit, "before": before}
        with self._transaction(tenant) as connection:
            rows = connection.execute(f"{_SQL['select']} {_SQL['page']}", parameters)
            return [api_key_of(row) for row in rows]

    def revoke(self, key_id: UUID, *, tenant: Tenant | None) -> ApiKey | None:
        """See the port."""
        parameters = {"id": key_id, "tenant_id": None if tenant is None else tenant.id}
        with self._transaction(tenant) as connection:
            if not connection.execute(_SQL["revoke"], parameters).rowcount:
                return None
            row = connection.execute(f"{_SQL['select']} {_SQL['where_id']}", parameters).fetchone()
            return None if row is None else self._noted(connection, api_key_of(row))

    def _noted(self, connection: Connection, key: ApiKey) -> ApiKey:
        tenant = key.new.tenant
        note(connection, self._actor, Target(None if tenant is None else tenant.id, path=f"keys/{key.id}"))
        return key

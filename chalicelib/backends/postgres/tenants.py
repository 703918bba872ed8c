"""The tenants, and the objects in the bucket that belong to none."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager

from chalicelib.backends.postgres.audit import note
from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.mappers import tenant_of, unmatched_object_of
from chalicelib.core.audit import Actor, Target
from chalicelib.core.errors import NotPossible
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant, UnmatchedObject

_SQL = load_queries("tenants.sql")


class PostgresTenants:
    """Implement :class:`chalicelib.service.tenants.TenantRegister`."""

    def __init__(self, pool: Pool, actor: Actor | None = None) -> None:
        self._pool = pool
        self._actor = actor

    def by(self, actor: Actor | None) -> "PostgresTenants":
        """See the port."""
        return PostgresTenants(self._pool, actor)

    def _transaction(self, tenant_id: int | None = None) -> AbstractContextManager[Connection]:
        return transaction_on(self._pool, tenant_id, is_operator=True)

    def named(self, names: Collection[str]) -> Mapping[str, Tenant]:
        """See the port."""
        with self._transaction() as connection:
            rows = connection.execute(_SQL["named"], {"names": sorted(names)})
            return {row["name"]: tenant_of(row) for row in rows}

    def datasets(self, names: Collection[str]) -> Mapping[str, bool]:
        """See the port."""
        with self._transaction() as connection:
            rows = connection.execute(_SQL["datasets"], {"names": sorted(names)})
            return {row["name"]: row["is_of_default"] for row in rows}

    def list(self, *, limit: int, before: int | None) -> Sequence[Tenant]:
        """See the port."""
        with self._transaction() as connection:
            rows = connection.execute(_SQL["list"], {"limit": limit, "before": before})
            return [tenant_of(row) for row in rows]

    def create(self, name: str) -> tuple[Tenant, bool]:
        """See the port."""
        with self._transaction(DEFAULT_TENANT.id) as connection:  # to see its jobs
            if connection.execute(_SQL["dataset_of_default_tenant"], {"name": name}).fetchone() is not None:
                raise NotPossible(
                    f"The tenant `default` has files in a dataset {name!r}: keys of dropped files that begin "
                    f"with `drop/{name}/` are theirs. Choose another name."
                )
            is_new = connection.execute(_SQL["create"], {"name": name}).rowcount > 0
            row = connection.execute(_SQL["named"], {"names": [name]}).fetchone()
            if row is None:
                raise AssertionError(f"tenant {name} does not exist after it was created")
            tenant = tenant_of(row)
            if tenant.removing_at is not None:
                raise NotPossible(f"{tenant.why_stopped} Its name is not given to another: choose one.")
            if is_new:
                self._note(connection, tenant)
            return tenant, is_new

    def suspend(self, name: str) -> Tenant | None:
        """See the port."""
        return self._change("suspend", name)

    def resume(self, name: str) -> Tenant | None:
        """See the port."""
        tenant = self._change("resume", name)
        if tenant is not None and tenant.why_stopped is not None:
            raise NotPossible(tenant.why_stopped)
        return tenant

    def remove(self, name: str) -> Tenant | None:
        """See the port."""
        return self._change("remove", name)

    def _change(self, statement: str, name: str) -> Tenant | None:
        with self._transaction() as connection:
            is_changed = connection.execute(_SQL[statement], {"name": name}).rowcount > 0
            row = connection.execute(_SQL["named"], {"names": [name]}).fetchone()
            if row is None:
                return None
            tenant = tenant_of(row)
            if is_changed:
                self._note(connection, tenant)
            return tenant

    def _note(self, connection: Connection, tenant: Tenant) -> None:
        note(connection, self._actor, Target(tenant.id, path=f"tenants/{tenant.name}"))

    def note_unmatched(self, objects: Sequence[UnmatchedObject]) -> None:
        """See the port."""
        columns = {
            "buckets": [it.bucket for it in objects],
            "keys": [it.key for it in objects],
            "sizes": [it.size for it in objects],
            "reasons": [it.reason for it in objects],
        }
        with self._transaction() as connection:
            connection.execute(_SQL["note_unmatched"], columns)

    def forget_unmatched(self, key: str) -> None:
        """See the port."""
        with self._transaction() as connection:
            connection.execute(_SQL["forget_unmatched"], {"key": key})

    def unmatched(self, *, limit: int, before: int | None) -> Sequence[UnmatchedObject]:
        """See the port."""
        with self._transaction() as connection:
            rows = connection.execute(_SQL["unmatched"], {"limit": limit, "before": before})
            return [unmatched_object_of(row) for row in rows]

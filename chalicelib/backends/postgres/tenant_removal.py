"""Remove tenants from all tables but `audit_events`, and but their own rows in `tenants`."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from chalicelib.backends.postgres.database import Pool, load_queries, transaction_on
from chalicelib.backends.postgres.jobs import lock_job
from chalicelib.backends.postgres.mappers import tenant_of
from chalicelib.core.model import Status
from chalicelib.core.tenants import Tenant

_SQL = load_queries("tenant_removal.sql")
_ROWS = 10_000  # of any table, in one transaction
_JOBS = 100  # looked up at once
_UNFINISHED = (Status.PENDING, Status.PROCESSING, Status.PREVIEWED)
_OF_JOBS = ("remove_rejects", "remove_counts", "remove_warnings", "remove_ledger")  # may be many
_WITH_JOBS = (
    "remove_ranges",
    "remove_previews",
    "remove_rejects_files",
    "forget_duplicates",
    "remove_job",
)


class PostgresRemovedTenants:
    """Implement :class:`chalicelib.service.tenant_removal.RemovedTenants`."""

    def __init__(self, pool: Pool, rows: int = _ROWS) -> None:
        self._pool = pool
        self._rows = rows

    def removing(self) -> Sequence[Tenant]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            return [tenant_of(row) for row in connection.execute(_SQL["removing"])]

    def unfinished(self, tenant: Tenant, *, limit: int) -> Sequence[UUID]:
        """See the port."""
        with transaction_on(self._pool, tenant.id) as connection:
            rows = connection.execute(_SQL["unfinished"], {"tenant_id": tenant.id, "limit": limit})
            return [row["id"] for row in rows]

    def remove_all(self, tenant: Tenant, *, dropped: str) -> Iterator[None]:
        """See the port: rows first, then jobs with what was found out about them, at last the rest."""
        own = {"tenant_id": tenant.id, "limit": self._rows, "prefix": dropped}
        with transaction_on(self._pool, tenant.id) as connection:
            datasets = [row["id"] for row in connection.execute(_SQL["datasets"], own)]
        for dataset_id in datasets:
            yield from self._remove_rows({**own, "dataset_id": dataset_id})
        yield from self._remove_jobs(own)
        with transaction_on(self._pool, tenant.id) as connection:
            for statement in ("remove_keys", "remove_tokens", "remove_unmatched", "remove_datasets"):
                connection.execute(_SQL[statement], own)

    def _remove_rows(self, parameters: dict[str, Any]) -> Iterator[None]:
        after = b""
        while True:
            with transaction_on(self._pool, parameters["tenant_id"]) as connection:
                row = connection.execute(_SQL["remove_rows"], {**parameters, "after": after}).fetchone()
            if row is None:
                return
            after = row["content_hash"]
            yield

    def _remove_jobs(self, parameters: dict[str, Any]) -> Iterator[None]:
        after = 0
        while True:
            page = {**parameters, "after": after, "limit": _JOBS}
            with transaction_on(self._pool, parameters["tenant_id"]) as connection:
                jobs = connection.execute(_SQL["jobs"], page).fetchall()
            if not jobs:
                return
            for job in jobs:
                while not self._remove_job({**parameters, "id": job["id"]}):
                    yield
                yield
            after = jobs[-1]["number"]

    def _remove_job(self, parameters: dict[str, Any]) -> bool:
        """Remove some of what belongs to the job, or the job if nothing is left; return whether it is done.

        A job that goes on after all stays: it is to be canceled first.
        """
        with transaction_on(self._pool, parameters["tenant_id"]) as connection:
            if any(connection.execute(_SQL[statement], parameters).rowcount for statement in _OF_JOBS):
                return False
            row = lock_job(connection, parameters["id"])
            if row is not None and row["status"] not in _UNFINISHED:
                for statement in _WITH_JOBS:
                    connection.execute(_SQL[statement], parameters)
            return True

    def finish(self, tenant: Tenant, *, seconds: float) -> bool:
        """See the port."""
        with transaction_on(self._pool, tenant.id) as connection:
            return (
                connection.execute(_SQL["finish"], {"tenant_id": tenant.id, "seconds": seconds}).rowcount > 0
            )

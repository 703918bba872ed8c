"""The signs of life of workers, and who holds which jobs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.mappers import hold_of, sign_columns, worker_of
from chalicelib.core.jobs import Job
from chalicelib.core.workers import Hold, Holders, SignOfLife, Worker

if TYPE_CHECKING:
    from uuid import UUID

_SQL = load_queries("workers.sql")


class PostgresWorkers:
    """Implement :class:`chalicelib.service.workers.Workers`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def renew(self, sign: SignOfLife) -> None:
        """See the port."""
        columns = sign_columns(sign)
        with transaction_on(self._pool) as connection:
            if not connection.execute(_SQL["renew"], columns).rowcount:
                connection.execute(_SQL["register"], columns)

    def remove(self, name: str) -> None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            connection.execute(_SQL["remove"], {"name": name})

    def list(self, *, limit: int, before: int | None) -> Sequence[Worker]:
        """See the port."""
        with transaction_on(self._pool, is_operator=True) as connection:
            rows = connection.execute(_SQL["select"], {"limit": limit, "before": before})
            return [worker_of(row) for row in rows]

    def has_unattended_jobs(self, *, seconds: float) -> bool:
        """See the port."""
        with transaction_on(self._pool, is_operator=True) as connection:
            row = connection.execute(_SQL["has_unattended_jobs"], {"seconds": seconds}).fetchone()
            return row is not None and row["has_unattended_jobs"]


def forget_workers(connection: Connection, *, seconds: float) -> int:
    """Remove the workers that were last seen ``seconds`` ago or earlier; count them."""
    return connection.execute(_SQL["forget"], {"seconds": seconds}).rowcount


def with_holders(connection: Connection, jobs: Sequence[Job]) -> Sequence[Job]:
    """Return the jobs, those that have not ended with their holders."""
    ids = [job.id for job in jobs if not job.status.is_terminal]
    if not ids:
        return jobs
    holds: dict[UUID, list[Hold]] = {job_id: [] for job_id in ids}
    is_read_only = False
    for row in connection.execute(_SQL["holders"], {"ids": ids}):
        is_read_only = row["is_read_only"]
        if row["owner"] is not None:
            holds[row["job_id"]].append(hold_of(row))
    return [
        replace(job, holders=Holders(tuple(holds[job.id]), is_read_only)) if job.id in holds else job
        for job in jobs
    ]

"""Leases on jobs, and on ranges of jobs that were split."""

from uuid import UUID

from chalicelib.backends.postgres.database import Pool, load_queries, transaction_on
from chalicelib.backends.postgres.jobs import existing_job, lock_job
from chalicelib.backends.postgres.mappers import transition_columns
from chalicelib.core.jobs import Claim
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Range

_SQL = load_queries("leases.sql")


class PostgresLeases:
    """Implement :class:`chalicelib.service.lease.Leases`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def claim(self, job_id: UUID, *, owner: str, lease_seconds: float) -> Claim | None:
        """See the port."""
        lease = {"id": job_id, "owner": owner, "lease_seconds": lease_seconds}
        lease |= transition_columns(Action.CLAIM)
        with transaction_on(self._pool) as connection:
            # A statement of its own: only then a block that is being committed counts as progress.
            lock_job(connection, job_id)
            if connection.execute(_SQL["claim"], lease).rowcount:
                job = existing_job(connection, job_id)
                return Claim(job, owner, None, job.progress.attempts_without_progress)
            row = connection.execute(_SQL["claim_range"], lease).fetchone()
            if row is None:
                return None
            claim_range = Range(row["start_offset"], row["end_offset"])
            return Claim(existing_job(connection, job_id), owner, claim_range, row["vain_attempts"])

    def renew(self, job_id: UUID, *, owner: str, lease_seconds: float) -> bool:
        """See the port."""
        lease = {"id": job_id, "owner": owner, "lease_seconds": lease_seconds}
        with transaction_on(self._pool) as connection:
            statements = (_SQL["renew"], _SQL["renew_range"])
            return any(connection.execute(statement, lease).rowcount for statement in statements)

    def release(self, job_id: UUID, *, owner: str, without_progress: bool) -> None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            for statement in ("release", "release_range"):
                connection.execute(
                    _SQL[statement], {"id": job_id, "owner": owner, "without_progress": without_progress}
                )

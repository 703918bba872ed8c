"""Leases on jobs, on ranges of jobs that were split, and on rejects files."""

from uuid import UUID

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.jobs import existing_job, wait_for_blocks
from chalicelib.backends.postgres.mappers import transition_columns
from chalicelib.backends.postgres.rejects_files import claim_file, release_file, renew_file
from chalicelib.core.jobs import Claim, Task
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
            wait_for_blocks(connection, job_id)
            if connection.execute(_SQL["claim"], lease).rowcount:
                job = existing_job(connection, job_id)
                return Claim(job, owner, None, job.progress.attempts_without_progress)
            row = connection.execute(_SQL["claim_range"], lease).fetchone()
            if row is None:
                return _claim_file(connection, job_id, owner, lease_seconds)
            claim_range = Range(row["start_offset"], row["end_offset"])
            return Claim(existing_job(connection, job_id), owner, claim_range, row["vain_attempts"])

    def renew(self, job_id: UUID, *, owner: str, lease_seconds: float) -> bool:
        """See the port."""
        lease = {"id": job_id, "owner": owner, "lease_seconds": lease_seconds}
        with transaction_on(self._pool) as connection:
            statements = (_SQL["renew"], _SQL["renew_range"])
            return any(
                connection.execute(statement, lease).rowcount for statement in statements
            ) or renew_file(connection, job_id, owner=owner, lease_seconds=lease_seconds)

    def holds(self, job_id: UUID, *, owner: str) -> bool:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = connection.execute(_SQL["holds"], {"id": job_id, "owner": owner}).fetchone()
        return row is not None and bool(row["holds"])

    def release(self, job_id: UUID, *, owner: str, without_progress: bool) -> None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            for statement in ("release", "release_range"):
                connection.execute(
                    _SQL[statement], {"id": job_id, "owner": owner, "without_progress": without_progress}
                )
            release_file(connection, job_id, owner=owner, without_progress=without_progress)


def _claim_file(connection: Connection, job_id: UUID, owner: str, lease_seconds: float) -> Claim | None:
    attempts = claim_file(connection, job_id, owner=owner, lease_seconds=lease_seconds)
    if attempts is None:
        return None
    return Claim(existing_job(connection, job_id), owner, None, attempts, Task.REJECTS_FILE)

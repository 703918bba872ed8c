"""Rejects files: who asked for one, who makes it, and what it is made of."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.erased_values import erased_values
from chalicelib.backends.postgres.mappers import block_reject_of, rejected_block_of
from chalicelib.core.blocks import RejectedBlock
from chalicelib.core.erased_values import ErasedValues
from chalicelib.core.jobs import Job, RejectsSource
from chalicelib.core.model import Reject, Status
from chalicelib.core.tenants import Tenant

_SQL = load_queries("rejects_files.sql")
_ENDED = sorted(status for status in Status if status.is_terminal)
_PAGE = 10_000  # excerpts


class PostgresRejectsFiles:
    """Implement `service.rejects_request.RejectsWishes` and `service.rejects_file.RejectsLedger`."""

    def __init__(self, pool: Pool, tenant: Tenant | None = None) -> None:
        self._pool = pool
        self._tenant_id = None if tenant is None else tenant.id

    def of(self, tenant: Tenant) -> "PostgresRejectsFiles":
        """Return the rejects files of a tenant's jobs."""
        return PostgresRejectsFiles(self._pool, tenant)

    def wish(self, job_id: UUID) -> bool:
        """See the port."""
        with transaction_on(self._pool, self._tenant_id) as connection:
            return connection.execute(_SQL["wish"], {"id": job_id, "ended": _ENDED}).rowcount > 0

    def clear_failure(self, job_id: UUID) -> None:
        """See the port."""
        with transaction_on(self._pool, self._tenant_id) as connection:
            connection.execute(_SQL["clear_failure"], {"id": job_id})

    def begin_in_undo(self, job: Job, *, owner: str) -> int | None:
        """See the port."""
        parameters = {"id": job.id, "owner": owner, "reading_no": job.reading_no}
        with transaction_on(self._pool) as connection:
            row = connection.execute(_SQL["begin_in_undo"], parameters).fetchone()
            return None if row is None else int(row["attempts"])

    def erased_values(self, job: Job) -> ErasedValues:
        """See the port."""
        return erased_values(self._pool, job.dataset_id)

    def blocks(self, job_id: UUID) -> Sequence[RejectedBlock]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            return [rejected_block_of(row) for row in connection.execute(_SQL["blocks"], {"id": job_id})]

    def excerpts(self, job_id: UUID, block_no: int) -> Iterator[Reject]:
        """See the port."""
        after = -1
        while True:
            parameters = {"id": job_id, "block_no": block_no, "after": after, "limit": _PAGE}
            with transaction_on(self._pool) as connection:
                page = [block_reject_of(row) for row in connection.execute(_SQL["excerpts"], parameters)]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].record

    def finish(self, job: Job, *, owner: str, key: str, rejects: int, source: RejectsSource) -> bool:
        """See the port."""
        columns = {"key": key, "rejects": rejects, "source": source}
        return self._end("finish", {**_lease(job, owner), **columns})

    def fail(self, job: Job, *, owner: str, message: str) -> bool:
        """See the port."""
        return self._end("fail", {**_lease(job, owner), "message": message})

    def _end(self, statement: str, parameters: dict[str, object]) -> bool:
        with transaction_on(self._pool) as connection:
            return connection.execute(_SQL[statement], parameters).rowcount > 0


def withdraw(connection: Connection, job_id: UUID, *, made: bool, but: str | None = None) -> None:
    """Withdraw the wish for a job's rejects file; one that is ``made`` is kept unless this is True.

    The file with the key ``but`` is kept in any case.
    """
    connection.execute(_SQL["withdraw"], {"id": job_id, "made": made, "but": but})


def claim_file(connection: Connection, job_id: UUID, *, owner: str, lease_seconds: float) -> int | None:
    """Claim the rejects file of a job that is locked, and return the number of attempts at it so far.

    Return None if there is none to be made, or another worker is making it.
    """
    lease = {"id": job_id, "owner": owner, "lease_seconds": lease_seconds, "ended": _ENDED}
    row = connection.execute(_SQL["claim"], lease).fetchone()
    return None if row is None else int(row["attempts"])


def renew_file(connection: Connection, job_id: UUID, *, owner: str, lease_seconds: float) -> bool:
    """Extend the lease on a rejects file; return False without one."""
    lease = {"id": job_id, "owner": owner, "lease_seconds": lease_seconds}
    return connection.execute(_SQL["renew"], lease).rowcount > 0


def release_file(connection: Connection, job_id: UUID, *, owner: str, without_progress: bool) -> None:
    """End the lease on a rejects file."""
    parameters = {"id": job_id, "owner": owner, "without_progress": without_progress}
    connection.execute(_SQL["release"], parameters)


def take_silent_files(connection: Connection, *, seconds: float, limit: int) -> list[UUID]:
    """Return jobs whose rejects files no worker makes, each at longer and longer intervals."""
    parameters = {"seconds": seconds, "limit": limit, "ended": _ENDED}
    return [row["id"] for row in connection.execute(_SQL["take_silent"], parameters)]


def purged_files(connection: Connection, *, limit: int) -> list[tuple[UUID, str]]:
    """Return jobs that were purged and may still have objects of rejects files, with their tenants' names."""
    return [(row["id"], row["tenant"]) for row in connection.execute(_SQL["purged"], {"limit": limit})]


def forget_file(connection: Connection, job_id: UUID) -> None:
    """Remove the row of a job's rejects file."""
    connection.execute(_SQL["forget"], {"id": job_id})


def _lease(job: Job, owner: str) -> dict[str, object]:
    return {"id": job.id, "owner": owner, "reading_no": job.reading_no}

"""The ranges that a large file was split into, for several workers to claim."""

from uuid import UUID

from chalicelib.backends.postgres.database import Connection, Pool, borrowed, load_queries
from chalicelib.core.errors import JobEnded
from chalicelib.core.jobs import Job
from chalicelib.core.model import Range

_SQL = load_queries("splits.sql")


class PostgresSplits:
    """Implement :class:`chalicelib.service.splitting.Splits`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def add(self, job: Job, added: Range, *, since: int | None) -> None:
        """See the port."""
        with borrowed(self._pool) as connection:
            _move(connection, job, since, added.end)
            connection.execute(_SQL["add_range"], {"id": job.id, "start": added.start, "end": added.end})

    def close(self, job: Job, *, since: int | None) -> None:
        """See the port."""
        with borrowed(self._pool) as connection:
            _move(connection, job, since, None)

    def finish(self, job_id: UUID, finished: Range) -> None:
        """See the port."""
        with borrowed(self._pool) as connection:
            connection.execute(_SQL["remove_range"], {"id": job_id, "start": finished.start})


def _move(connection: Connection, job: Job, since: int | None, to: int | None) -> None:
    """Move the place up to which the file has been split; None: to its end."""
    etag = job.source.etag if job.source else None
    moved = {"id": job.id, "etag": etag, "since": since, "to": to}
    if not connection.execute(_SQL["split_to"], moved).rowcount:
        raise JobEnded(f"job {job.id} is no longer this worker's to split")

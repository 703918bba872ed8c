"""The ranges that a large file was split into, for several workers to claim."""

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.core.errors import JobEnded
from chalicelib.core.jobs import Job
from chalicelib.core.model import Range

_SQL = load_queries("splits.sql")


class PostgresSplits:
    """Implement :class:`chalicelib.service.splitting.Splits`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def add(self, job: Job, file_range: Range, *, since: int | None) -> None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            _move(connection, job, since, file_range.end)
            connection.execute(
                _SQL["add_range"], {"id": job.id, "start": file_range.start, "end": file_range.end}
            )

    def close(self, job: Job, *, since: int | None) -> None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            _move(connection, job, since, None)

    def finish(self, job: Job, file_range: Range) -> None:
        """See the port."""
        parameters = {"id": job.id, "reading_no": job.reading_no, "start": file_range.start}
        with transaction_on(self._pool) as connection:
            connection.execute(_SQL["remove_range"], parameters)


def _move(connection: Connection, job: Job, since: int | None, to: int | None) -> None:
    """Move the offset up to which the file has been split; None: to its end."""
    etag = job.source.etag if job.source else None
    parameters = {"id": job.id, "etag": etag, "reading_no": job.reading_no, "since": since, "to": to}
    if not connection.execute(_SQL["split_to"], parameters).rowcount:
        raise JobEnded(f"job {job.id} was split further by another worker, or has ended")

"""The ledger of a job: what is read, which blocks are in, and whether that is everything."""

from collections.abc import Sequence
from uuid import UUID

from chalicelib.backends.postgres.database import Connection, Pool, borrowed, load_queries
from chalicelib.backends.postgres.jobs import existing_job, hold, hold_for_work, remove_ranges
from chalicelib.backends.postgres.mappers import dialect_column, source_columns, transition_columns
from chalicelib.core.errors import JobFailed
from chalicelib.core.jobs import Job, Reading
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Dialect, Gap, Source, Status
from chalicelib.destinations import Destination

_SQL = load_queries("ledger.sql")


class PostgresLedger:
    """Implement `service.ledger.Ledger` and `service.attempt.Failures`."""

    def __init__(self, pool: Pool, destination: Destination[Connection]) -> None:
        self._pool = pool
        self._destination = destination

    def open(self, job: Job, source: Source, dialect: Dialect, block_size: int) -> Reading:
        """See the port."""
        with borrowed(self._pool) as connection:
            held = hold_for_work(connection, job.id, fence=job)
            if held["detected"] is None:
                opened = {"detected": dialect_column(dialect), "block_size": block_size}
                connection.execute(_SQL["open_job"], {**source_columns(job.id, source), **opened})
            elif (held["etag"], held["size"]) != (source.etag, source.size):
                raise JobFailed("source-changed", "The object was replaced while it was being loaded.")
            reading = existing_job(connection, job.id).reading
        if reading is None:
            raise AssertionError(f"job {job.id} was opened and is not open")
        return reading

    def complete_as_duplicate(self, job: Job, source: Source) -> UUID | None:
        """See the port."""
        with borrowed(self._pool) as connection:
            pinned = source_columns(job.id, source)
            first = connection.execute(_SQL["same_content"], pinned).fetchone()
            if first is None or not self._has_all_rows(connection, first["id"]):
                return None
            if hold_for_work(connection, job.id, fence=job)["detected"] is not None:
                return None  # another worker has begun to load it
            connection.execute(_SQL["pin"], pinned)
            ended = {"id": job.id, "duplicate_of": first["id"], **transition_columns(Action.COMPLETE)}
            connection.execute(_SQL["copy_ledger"], ended)
            connection.execute(_SQL["complete"], ended)
            return UUID(str(first["id"]))

    def _has_all_rows(self, connection: Connection, job_id: UUID) -> bool:
        """Return whether all rows that the job inserted still exist: some may have been removed by hand."""
        row = connection.execute(_SQL["rows_inserted"], {"id": job_id}).fetchone()
        kept = self._destination.count(connection, existing_job(connection, job_id))
        return row is not None and row["count"] == kept

    def measure(self, job: Job, size: int) -> None:
        """See the port."""
        etag = job.source.etag if job.source else None
        with borrowed(self._pool) as connection:
            connection.execute(_SQL["measure"], {"id": job.id, "size": size, "etag": etag})

    def gaps(self, job_id: UUID, total: int | None) -> Sequence[Gap]:
        """See the port."""
        with borrowed(self._pool) as connection:
            return _gaps(connection, job_id, total)

    def complete(self, job_id: UUID, total: int) -> bool:
        """See the port."""
        with borrowed(self._pool) as connection:
            row = hold(connection, job_id)
            if row is not None and row["status"] == Status.COMPLETED:  # by another worker
                return False
            held = hold_for_work(connection, job_id)
            if total != (held["size"] if held["text_size"] is None else held["text_size"]):
                raise JobFailed("ledger-mismatch", f"The file does not have {total:,} bytes.")
            if missing := _gaps(connection, job_id, total):
                raise JobFailed(
                    "ledger-mismatch", f"Bytes {missing[0].start} to {missing[0].end} are missing."
                )
            rejects = connection.execute(_SQL["unexplained"], {"id": job_id}).fetchone()
            if rejects is None or rejects["difference"] != 0:
                raise JobFailed("ledger-mismatch", "The rejects counted and the rejects kept differ.")
            remove_ranges(connection, job_id)
            ended = {"id": job_id, "duplicate_of": None, **transition_columns(Action.COMPLETE)}
            connection.execute(_SQL["complete"], ended)
            return True

    def fail(self, job_id: UUID, *, owner: str, code: str, message: str) -> bool:
        """See the port."""
        failure = {"id": job_id, "owner": owner, "code": code, "message": message}
        with borrowed(self._pool) as connection:
            hold(connection, job_id)
            failed = connection.execute(_SQL["fail"], failure | transition_columns(Action.FAIL)).rowcount > 0
            if failed:
                remove_ranges(connection, job_id)
            return failed


def _gaps(connection: Connection, job_id: UUID, total: int | None) -> Sequence[Gap]:
    rows = connection.execute(_SQL["gaps"], {"id": job_id, "total": total})
    return [Gap(row["gap_start"], row["gap_end"]) for row in rows]

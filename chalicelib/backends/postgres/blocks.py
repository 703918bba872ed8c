"""Write blocks: rows, rejects, warnings and the ledger's row in one transaction."""

from collections.abc import Sequence
from itertools import islice

from psycopg import errors

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.jobs import lock_job_to_open
from chalicelib.backends.postgres.ledger import complete_locked, open_locked
from chalicelib.backends.postgres.mappers import Row, tally_columns
from chalicelib.backends.postgres.rejects import add_rejects, wait_for_rejects
from chalicelib.backends.postgres.warnings import add_warnings
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.budget import MAX_REJECTS
from chalicelib.core.completion import Completion
from chalicelib.core.errors import BlockAlreadyCommitted, JobEnded
from chalicelib.core.jobs import Job
from chalicelib.core.model import Tally
from chalicelib.core.warnings import FileWarning
from chalicelib.destinations import Destination

_SQL = load_queries("blocks.sql")


class PostgresBlocks:
    """Implement :class:`chalicelib.service.ingestion.BlockWriter`. One per job; its loaders may share it."""

    def __init__(
        self, pool: Pool, destination: Destination[Connection], max_rejects: int = MAX_REJECTS
    ) -> None:
        self._pool = pool
        self._destination = destination
        self._max_rejects = max_rejects  # that are stored for a job
        self._expect_existing = False  # a file with existing rows tends to have more of them

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        """See the port."""
        with transaction_on(self._pool) as connection:
            inserted = self._write_rows(connection, job, block)
            connection.execute(_SQL["admit_block"], {"job_id": job.id})
            return self._add(connection, job, block, inserted)

    def write_whole(
        self, job: Job, block: PreparedBlock, warnings: Sequence[FileWarning]
    ) -> tuple[Completion, Tally] | None:
        """See the port."""
        reading = job.reading
        if reading is None:
            raise AssertionError(f"job {job.id} is to be opened without a reading")
        try:
            with transaction_on(self._pool) as connection:
                # The rows come first, as in every block: no lock is held then that another writer waits for.
                inserted = self._write_rows(connection, job, block)
                row = _lock_unopened(connection, job)
                open_locked(connection, job.id, reading, warnings)
                tally = self._add(connection, job, block, inserted)
                return complete_locked(connection, job.id, row, block.end), tally
        except _IsOpen:
            return None

    def _write_rows(self, connection: Connection, job: Job, block: PreparedBlock) -> int:
        """Write the rows; return how many were inserted."""
        if not len(block.rows):
            return 0
        inserted = self._destination.write(connection, job, block.rows, expect_existing=self._expect_existing)
        self._expect_existing = inserted < len(block.rows)  # other loaders see it at once
        return inserted

    def _add(self, connection: Connection, job: Job, block: PreparedBlock, inserted: int) -> Tally:
        """Add a block that is admitted, and whose rows are written, to the ledger, with all that it tells."""
        stored, unstored = self._storable(connection, job, block)
        duplicates = block.records - inserted - block.rejected
        tally = Tally(block.records, inserted, duplicates, block.rejected, unstored)
        _add_to_ledger(connection, job, block, tally, stored)
        add_warnings(connection, job.id, block.no, block.warnings)
        add_rejects(connection, job.id, block.no, block.rejects, stored=stored)
        return tally

    def _storable(self, connection: Connection, job: Job, block: PreparedBlock) -> tuple[int, int]:
        """Return how many of the block's rejects may be stored, and how many records have none then."""
        count = len(block.rejects)
        if not count:
            return 0, block.unstored
        room = max(self._max_rejects - wait_for_rejects(connection, job.id), 0)
        if count <= room:
            return count, block.unstored
        return room, block.unstored + sum(it.count for it in islice(block.rejects, room, None))


class _IsOpen(Exception):  # noqa: N818 - no error
    """Another worker has fixed the job's reading."""


def _lock_unopened(connection: Connection, job: Job) -> Row:
    """Lock the job as :func:`lock_job_to_open` does. Raises _IsOpen."""
    row = lock_job_to_open(connection, job)
    if row["detected"] is not None:
        raise _IsOpen
    return row


def _add_to_ledger(
    connection: Connection, job: Job, block: PreparedBlock, tally: Tally, reject_rows: int
) -> None:
    """Write the block's row in the ledger."""
    try:
        cursor = connection.execute(
            _SQL["insert_block"],
            {
                "job_id": job.id,
                "etag": job.source.etag if job.source else None,
                "reading_no": job.reading_no,
                "erasures": str(job.erasures),
                "no": block.no,
                "start": block.start,
                "end": block.end,
                "source_offset": block.source_offset,
                "lines": block.lines,
                "sheet_rows": block.sheet_rows,
                "reject_rows": reject_rows,
                **tally_columns(tally),
            },
        )
    except errors.UniqueViolation:
        raise BlockAlreadyCommitted(f"block {block.no} of job {job.id} is in the ledger already") from None
    if not cursor.rowcount:
        raise JobEnded(f"job {job.id} is no longer PROCESSING, or is read in another way")

"""Write blocks: rows, rejects, warnings and the ledger's row in one transaction."""

from collections.abc import Sequence

from psycopg import errors

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.jobs import lock_job_to_open
from chalicelib.backends.postgres.ledger import complete_locked, open_locked
from chalicelib.backends.postgres.mappers import Row, tally_columns
from chalicelib.backends.postgres.rejects import add_rejects
from chalicelib.backends.postgres.warnings import add_warnings
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.completion import Completion
from chalicelib.core.errors import BlockAlreadyCommitted, JobEnded
from chalicelib.core.jobs import Job
from chalicelib.core.model import Tally
from chalicelib.core.warnings import FileWarning
from chalicelib.destinations import Destination

_SQL = load_queries("blocks.sql")


class PostgresBlocks:
    """Implement :class:`chalicelib.service.ingestion.BlockWriter`. One per job; its loaders may share it."""

    def __init__(self, pool: Pool, destination: Destination[Connection]) -> None:
        self._pool = pool
        self._destination = destination
        self._expect_existing = False  # a file with existing rows tends to have more of them

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        """See the port."""
        with transaction_on(self._pool) as connection:
            tally = self._write_rows(connection, job, block)
            _add_to_ledger(connection, job, block, tally)
        return tally

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
                tally = self._write_rows(connection, job, block)
                row = _lock_unopened(connection, job)
                open_locked(connection, job.id, reading, warnings)
                _add_to_ledger(connection, job, block, tally)
                return complete_locked(connection, job.id, row, block.end), tally
        except _IsOpen:
            return None

    def _write_rows(self, connection: Connection, job: Job, block: PreparedBlock) -> Tally:
        inserted = 0
        if len(block.rows):
            inserted = self._destination.write(
                connection, job, block.rows, expect_existing=self._expect_existing
            )
            self._expect_existing = inserted < len(block.rows)  # other loaders see it at once
        rejected = len(block.rejects)
        return Tally(block.records, inserted, block.records - inserted - rejected, rejected)


class _IsOpen(Exception):  # noqa: N818 - no error
    """Another worker has fixed the job's reading."""


def _lock_unopened(connection: Connection, job: Job) -> Row:
    """Lock the job as :func:`lock_job_to_open` does. Raises _IsOpen."""
    row = lock_job_to_open(connection, job)
    if row["detected"] is not None:
        raise _IsOpen
    return row


def _add_to_ledger(connection: Connection, job: Job, block: PreparedBlock, tally: Tally) -> None:
    """Write the block's row in the ledger, its rejects and its warnings."""
    connection.execute(_SQL["admit_block"], {"job_id": job.id})
    try:
        cursor = connection.execute(
            _SQL["insert_block"],
            {
                "job_id": job.id,
                "etag": job.source.etag if job.source else None,
                "reading_no": job.reading_no,
                "no": block.no,
                "start": block.start,
                "end": block.end,
                "source_offset": block.source_offset,
                "lines": block.lines,
                "sheet_rows": block.sheet_rows,
                **tally_columns(tally),
            },
        )
    except errors.UniqueViolation:
        raise BlockAlreadyCommitted(f"block {block.no} of job {job.id} is in the ledger already") from None
    if not cursor.rowcount:
        raise JobEnded(f"job {job.id} is no longer PROCESSING, or is read in another way")
    add_warnings(connection, job.id, block.no, block.warnings)
    add_rejects(connection, job.id, block.no, block.rejects)

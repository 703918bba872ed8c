"""Write blocks: rows, rejects and the ledger's entry in one transaction."""

from psycopg import errors

from chalicelib.backends.postgres.database import Connection, Pool, borrowed, load_queries
from chalicelib.backends.postgres.mappers import tally_columns
from chalicelib.core.blocks import LoadedBlock
from chalicelib.core.errors import BlockAlreadyCommitted, JobEnded
from chalicelib.core.jobs import Job
from chalicelib.core.model import Tally
from chalicelib.destinations import Destination

_SQL = load_queries("blocks.sql")


class PostgresBlocks:
    """Implement :class:`chalicelib.service.ingestion.BlockWriter`. One per job; its loaders may share it."""

    def __init__(self, pool: Pool, destination: Destination[Connection]) -> None:
        self._pool = pool
        self._destination = destination
        self._expect_known = False  # a file that repeats rows tends to go on repeating them

    def write(self, job: Job, block: LoadedBlock) -> Tally:
        """See the port."""
        inserted = 0
        with borrowed(self._pool) as connection:
            if len(block.rows):
                inserted = self._destination.write(
                    connection, job, block.rows, expect_known=self._expect_known
                )
            rejected = len(block.rejects)
            tally = Tally(block.records, inserted, block.records - inserted - rejected, rejected)
            _enter(connection, job, block, tally)
        self._expect_known = inserted < len(block.rows)
        return tally


def _enter(connection: Connection, job: Job, block: LoadedBlock, tally: Tally) -> None:
    """Write the ledger's entry and the rejects."""
    connection.execute(_SQL["admit_block"], {"job_id": job.id})
    try:
        written = connection.execute(
            _SQL["insert_block"],
            {
                "job_id": job.id,
                "etag": job.source.etag if job.source else None,
                "no": block.no,
                "start": block.start,
                "end": block.end,
                "source_offset": block.source_offset,
                **tally_columns(tally),
            },
        )
    except errors.UniqueViolation:
        raise BlockAlreadyCommitted(f"block {block.no} of job {job.id} is in the ledger already") from None
    if not written.rowcount:
        raise JobEnded(f"job {job.id} is not being worked on any more")
    if block.rejects:
        with connection.cursor() as cursor, cursor.copy(_SQL["copy_rejects"]) as copy:
            for reject in block.rejects:
                copy.write_row(
                    (
                        *(job.id, block.no, reject.record, reject.offset),
                        *(reject.field, reject.code, reject.message, reject.raw),
                    )
                )

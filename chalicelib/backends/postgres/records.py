"""Writes blocks into Postgres: fills the port RecordSink.

Rows come sorted by hash, so they are first sent by one binary COPY straight into the table, the cheapest
way there is. A row that is there already makes that fail; then the block goes by way of a temporary table
and one upsert. A file that repeats rows tends to go on doing so, so the last block decides which way the
next one tries first.
"""

from collections.abc import Iterable

from psycopg import errors

from chalicelib.backends.postgres.copy_format import encode_rows
from chalicelib.backends.postgres.database import Connection, Pool, borrowed, load_queries
from chalicelib.errors import JobEnded, LostClaim
from chalicelib.model import Job, Tally
from chalicelib.ports import LoadedBlock

_SQL = load_queries("records.sql")
_Rows = Iterable[bytes | memoryview]  # in COPY's binary format


class PostgresRecords:
    """See :class:`chalicelib.ports.RecordSink`. One for each job; its loaders may share it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._expect_duplicates = False

    def load(self, job: Job, block: LoadedBlock) -> Tally:
        """See the port."""
        rows = encode_rows(job, block.rows)
        with borrowed(self._pool) as connection:
            inserted = self._write(connection, rows, len(block.rows))
            rejected = len(block.rejects)
            tally = Tally(block.records, inserted, block.records - inserted - rejected, rejected)
            _record(connection, job, block, tally)
        self._expect_duplicates = inserted < len(block.rows)
        return tally

    def _write(self, connection: Connection, rows: _Rows, count: int) -> int:
        """How many of the rows are new."""
        if count and not self._expect_duplicates:
            try:
                with connection.transaction():  # a savepoint
                    _copy(connection, "copy_rows", rows)
            except errors.UniqueViolation:
                self._expect_duplicates = True
            else:
                return count
        return _upsert(connection, rows) if count else 0


def _copy(connection: Connection, statement: str, rows: _Rows) -> None:
    with connection.cursor() as cursor, cursor.copy(_SQL[statement]) as copy:
        for piece in rows:
            copy.write(piece)


def _upsert(connection: Connection, rows: _Rows) -> int:
    connection.execute(_SQL["stage"])
    _copy(connection, "copy_staged", rows)
    row = connection.execute(_SQL["upsert_staged"]).fetchone()
    return row["count"] if row else 0


def _record(connection: Connection, job: Job, block: LoadedBlock, tally: Tally) -> None:
    """The ledger's row and the rejects, in the transaction of the block's rows."""
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
                **vars(tally),
            },
        )
    except errors.UniqueViolation:
        raise LostClaim(f"block {block.no} of job {job.id} is in the ledger already") from None
    if not written.rowcount:
        raise JobEnded(f"job {job.id} is not being worked on any more")
    if block.rejects:
        with connection.cursor() as cursor, cursor.copy(_SQL["copy_rejects"]) as copy:
            for it in block.rejects:
                copy.write_row(
                    (job.id, block.no, it.record, it.offset, it.field, it.code, it.message, it.raw)
                )

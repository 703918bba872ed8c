"""Writes blocks into Postgres: fills the port RecordSink.

Rows come sorted by hash. Three ways, the cheapest that will do:

- new rows: one binary COPY straight into the table;
- where rows are known already, which makes that fail: the hashes alone are sent to mark the known rows, and
  COPY takes what is left. A file that repeats rows tends to go on doing so, so the last block decides which
  way the next goes first;
- where another writer brings the same rows at the same time: a temporary table and one upsert.
"""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import errors
from psycopg.types.json import Jsonb

from chalicelib.backends.postgres.copy_format import encode_rows
from chalicelib.backends.postgres.database import Connection, Pool, borrowed, load_queries
from chalicelib.core.errors import JobEnded, LostClaim
from chalicelib.core.model import Job, Tally
from chalicelib.core.ports import LoadedBlock

_SQL = load_queries("records.sql")
_Rows = Iterable[bytes | memoryview]  # in COPY's binary format


class PostgresRecords:
    """See :class:`chalicelib.core.ports.RecordSink`. One for each job; its loaders may share it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._expect_duplicates = False

    def load(self, job: Job, block: LoadedBlock) -> Tally:
        """See the port."""
        with borrowed(self._pool) as connection:
            inserted = self._write(connection, job, block.rows) if len(block.rows) else 0
            rejected = len(block.rejects)
            tally = Tally(block.records, inserted, block.records - inserted - rejected, rejected)
            _record(connection, job, block, tally)
        self._expect_duplicates = inserted < len(block.rows)
        return tally

    def _write(self, connection: Connection, job: Job, rows: pa.RecordBatch) -> int:
        """How many of the rows are new."""
        if not self._expect_duplicates:
            if _copy_new(connection, encode_rows(job, rows)):
                return len(rows)
            self._expect_duplicates = True
        connection.execute(_SQL["use_indexes"])
        for look in ("mark_known", "find_known"):  # what is left then, this job has brought before
            rows = _unknown(connection, look, job, rows)
            if not len(rows):
                return 0
        encoded = encode_rows(job, rows)
        return len(rows) if _copy_new(connection, encoded) else _upsert(connection, encoded)


def _unknown(connection: Connection, statement: str, job: Job, rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows that the statement does not find."""
    looked_up = {
        "job": job.number,
        "dataset": job.dataset_id,
        "metadata": None if job.metadata is None else Jsonb(job.metadata),
        "hashes": _joined(rows["content_hash"]),
        "count": len(rows),
    }
    # not prepared: a plan that was made while the table was tiny would be kept when it has grown
    found = connection.execute(_SQL[statement], looked_up, prepare=False, binary=True).fetchone()
    if found is None or found["count"] == 0:
        return rows
    if found["places"] is None:
        return rows.slice(0, 0)
    places = pa.array(found["places"], pa.int32())
    return rows.filter(pc.invert(pc.is_in(pa.array(range(len(rows)), pa.int32()), places)))


def _joined(hashes: pa.Array) -> memoryview:
    """The hashes, one after the other."""
    width = hashes.type.byte_width
    return memoryview(hashes.buffers()[1])[hashes.offset * width :][: len(hashes) * width]


def _copy_new(connection: Connection, rows: _Rows) -> bool:
    """Whether none of them was there; otherwise nothing has been written."""
    try:
        with connection.transaction():  # a savepoint
            _copy(connection, "copy_rows", rows)
    except errors.UniqueViolation:
        return False
    return True


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

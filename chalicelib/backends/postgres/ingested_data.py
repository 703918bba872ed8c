"""The destination `ingested_data`: one table for all datasets, records as JSONB.

Rows come sorted by hash. A few are one upsert. There are three ways to write more of them, and the cheapest
that works is used:

- new rows: one binary COPY straight into the table;
- if some rows exist already, that fails: only the hashes are sent, to mark the existing rows, and COPY takes
  the rest;
- if another writer inserts the same rows at the same time: a temporary table and one upsert.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import errors

from chalicelib.backends.postgres.copy_format import EncodedRows
from chalicelib.backends.postgres.database import Connection, load_queries
from chalicelib.core.jobs import Job

_SQL = load_queries("ingested_data.sql")
_FEW = 100  # rows: beginning and ending a COPY takes longer than sending them
_PAGES = 1000  # of 8 KiB in a removal step; some ten thousand rows
_Encoded = Iterable[bytes | memoryview]  # rows in COPY's binary format


@dataclass(frozen=True)
class IngestedData:
    """Implement :class:`chalicelib.destinations.Destination`. Up to ``few`` rows are one upsert."""

    few: int = _FEW

    def write(self, transaction: Connection, job: Job, rows: pa.RecordBatch, *, expect_existing: bool) -> int:
        """See the port."""
        if len(rows) <= self.few:
            return _upsert_few(transaction, job, rows)
        if not expect_existing and _copy_new(transaction, EncodedRows(job, rows)):
            return len(rows)
        transaction.execute(_SQL["use_indexes"])
        for statement in ("mark_existing", "find_existing"):  # the second also finds rows of this job
            rows = _new_rows(transaction, statement, job, rows)
            if not len(rows):
                return 0
        encoded = EncodedRows(job, rows)
        return len(rows) if _copy_new(transaction, encoded) else _upsert(transaction, encoded)

    def count(self, transaction: Connection, job: Job) -> int:
        """See the port."""
        row = transaction.execute(_SQL["count_rows"], _job_parameters(job)).fetchone()
        return row["count"] if row else 0

    def removal_steps(self, transaction: Connection, job: Job) -> Sequence[int]:
        """See the port. A step is the first page of a stretch of the table."""
        pages = transaction.execute(_SQL["pages"], _job_parameters(job)).fetchone()
        if pages is None or pages["first"] is None:
            return range(0)
        return range(pages["first"], pages["last"] + 1, _PAGES)

    def remove(self, transaction: Connection, job: Job, step: int) -> int:
        """See the port."""
        pages = {"start": f"({step},0)", "stop": f"({step + _PAGES},0)"}
        return transaction.execute(_SQL["remove_rows"], {**_job_parameters(job), **pages}).rowcount


def _job_parameters(job: Job) -> dict[str, int]:
    return {"number": job.number, "dataset_id": job.dataset_id}


def _new_rows(connection: Connection, statement: str, job: Job, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows that do not exist yet, as the statement finds."""
    parameters = {
        "job": job.number,
        "dataset": job.dataset_id,
        "hashes": _concatenate(rows["content_hash"]),
        "count": len(rows),
    }
    # Not prepared: Postgres would keep a plan that was made while the table was tiny.
    matches = connection.execute(_SQL[statement], parameters, prepare=False, binary=True).fetchone()
    if matches is None or matches["count"] == 0:
        return rows
    if matches["positions"] is None:
        return rows.slice(0, 0)
    positions = pa.array(matches["positions"], pa.int32())
    return rows.filter(pc.invert(pc.is_in(pa.array(range(len(rows)), pa.int32()), positions)))


def _concatenate(hashes: pa.Array) -> memoryview:
    """Return the hashes as one buffer."""
    width = hashes.type.byte_width
    return memoryview(hashes.buffers()[1])[hashes.offset * width :][: len(hashes) * width]


def _copy_new(connection: Connection, rows: _Encoded) -> bool:
    """Copy the rows into the table if none of them exists; return False, with nothing written, otherwise."""
    try:
        with connection.transaction():  # a savepoint
            _copy(connection, "copy_rows", rows)
    except errors.UniqueViolation:
        return False
    return True


def _copy(connection: Connection, statement: str, rows: _Encoded) -> None:
    with connection.cursor() as cursor, cursor.copy(_SQL[statement]) as copy:
        for piece in rows:
            copy.write(piece)


def _upsert_few(connection: Connection, job: Job, rows: pa.RecordBatch) -> int:
    parameters = {
        "job": job.number,
        "dataset": job.dataset_id,
        "hashes": _concatenate(rows["content_hash"]),
        "records": "\n".join(rows["record"].to_pylist()),
    }
    row = connection.execute(_SQL["upsert_few"], parameters).fetchone()
    return row["count"] if row else 0


def _upsert(connection: Connection, rows: _Encoded) -> int:
    connection.execute(_SQL["stage"])
    _copy(connection, "copy_staged", rows)
    row = connection.execute(_SQL["upsert_staged"]).fetchone()
    return row["count"] if row else 0

"""Store the rejects of jobs, and read them: one by one, or counted by code and field."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from chalicelib.backends.postgres.database import Connection, load_queries
from chalicelib.backends.postgres.mappers import reject_count_columns, reject_count_of, reject_of
from chalicelib.core.jobs import Job
from chalicelib.core.model import Reject, StoredReject

_SQL = load_queries("rejects.sql")
_MOST_COUNTS = 100  # that a job shows, and that a block adds


def wait_for_rejects(connection: Connection, job_id: UUID) -> int:
    """Return how many rejects of the job are stored; no other block with rejects is committed meanwhile."""
    connection.execute(_SQL["wait_for_rejects"], {"job_id": job_id})
    row = connection.execute(_SQL["reject_rows"], {"job_id": job_id}).fetchone()
    return 0 if row is None else int(row["count"])


def add_rejects(
    connection: Connection, job_id: UUID, block_no: int, rejects: Sequence[Reject], *, stored: int
) -> None:
    """Add the first ``stored`` rejects of a block to its job, and the counts of all."""
    if not rejects:
        return
    firsts: dict[tuple[str, str | None], Reject] = {}
    counts = Counter[tuple[str, str | None]]()
    with connection.cursor() as cursor:
        cursor.execute(_SQL["stage_rejects"])
        with cursor.copy(_SQL["copy_rejects"]) as copy:
            for number, reject in enumerate(rejects):
                kind = (reject.code, reject.field)
                if len(firsts) >= _MOST_COUNTS and kind not in firsts:
                    kind = (reject.code, None)
                firsts.setdefault(kind, reject)
                counts[kind] += reject.count
                if number >= stored:
                    continue
                copy.write_row(
                    (
                        *(job_id, block_no, reject.record, reject.offset),
                        *(reject.field, reject.code, reject.message, reject.raw),
                        *(reject.line, reject.sheet_row, reject.count),
                    )
                )
        cursor.execute(_SQL["store_rejects"])
        rows = [
            reject_count_columns(job_id, block_no, counts[kind], replace(first, field=kind[1]))
            for kind, first in firsts.items()
        ]
        for row in rows:  # no pipeline: behind one, Postgres does not end a transaction that is idle
            cursor.execute(_SQL["add_count"], row)


def remove_counts(connection: Connection, job_id: UUID) -> None:
    """Remove the counts of a job's rejects."""
    connection.execute(_SQL["remove_counts"], {"job_id": job_id})


def select_rejects(
    connection: Connection, job_id: UUID, *, limit: int, after: tuple[int, int] | None
) -> list[StoredReject]:
    """Return rejects in file order; ``after`` is the ``cursor`` of the last one of the previous page."""
    block, record = after or (-1, -1)
    connection.execute(_SQL["read_in_order"])
    parameters = {"id": job_id, "limit": limit, "after_block": block, "after_record": record}
    return [reject_of(row) for row in connection.execute(_SQL["select_rejects"], parameters)]


def with_rejects(connection: Connection, job: Job) -> Job:
    """Return the job with its counts of rejects; a duplicate file has those of the job that loaded it."""
    parameters = {"job_id": job.outcome.duplicate_of or job.id, "limit": _MOST_COUNTS}
    rows = connection.execute(_SQL["select_counts"], parameters)
    return replace(job, rejects=tuple(map(reject_count_of, rows)))

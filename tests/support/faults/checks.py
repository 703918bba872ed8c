"""Whether files were loaded exactly: what SQL says against what the files' bytes say."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from tests.support.faults.files import Expected, File, canonical, expected

Connection = psycopg.Connection[tuple[Any, ...]]

AUDIT: LiteralString = """
CREATE TABLE status_changes (number bigserial, job_id uuid, before text, after text);
CREATE FUNCTION note_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO status_changes (job_id, before, after) VALUES (NEW.id, OLD.status, NEW.status);
    RETURN NULL;
END $$;
CREATE TRIGGER note_status AFTER UPDATE ON ingestion_jobs
    FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.completed_at <> NEW.completed_at)
    EXECUTE FUNCTION note_status();
"""

LEDGER: LiteralString = """
SELECT min(start_offset), max(end_offset), sum(end_offset - start_offset)::bigint, bool_and(joined),
       sum(records)::bigint, sum(inserted)::bigint, sum(duplicates)::bigint, sum(rejected)::bigint
FROM (
    SELECT *, start_offset = coalesce(lag(end_offset) OVER (ORDER BY start_offset), 0) AS joined
    FROM ingestion_blocks WHERE job_id = %s
) AS block
"""


def check(connection: Connection, loadings: Iterable[tuple[UUID, str, File]]) -> int:
    """Fails unless all was loaded, each record once; how many rows there are."""
    inserted: Counter[str] = Counter()
    distinct: defaultdict[str, set[bytes]] = defaultdict(set)
    for job, dataset, file in loadings:
        counts = expected(file)
        inserted[dataset] += _check_job(connection, job, counts)
        distinct[dataset] |= counts.distinct
    for dataset, hashes in distinct.items():
        assert inserted[dataset] == len(hashes), f"{dataset}: inserted"
        _check_rows(connection, dataset, hashes)
    (strangers,) = _one(
        connection,
        "SELECT count(*) FROM ingested_data WHERE dataset_id NOT IN"
        " (SELECT id FROM datasets WHERE name = ANY(%s))",
        list(distinct),
    )
    assert strangers == 0
    return sum(map(len, distinct.values()))


def _check_job(connection: Connection, job: UUID, counts: Expected) -> int:
    """How many rows the job says it inserted."""
    status, error = _one(
        connection, "SELECT status, (error_code, error_message)::text FROM ingestion_jobs WHERE id = %s", job
    )
    assert status == "COMPLETED", f"{job}: {status} {error}"
    changes = connection.execute(
        "SELECT before, after FROM status_changes WHERE job_id = %s ORDER BY number", (job,)
    ).fetchall()
    assert changes == [("PENDING", "PROCESSING"), ("PROCESSING", "COMPLETED")], f"{job}: {changes}"
    start, end, covered, joined, read, inserted, duplicates, rejected = _one(connection, LEDGER, job)
    assert (start, end, covered, joined) == (0, counts.size, counts.size, True), f"{job}: the ledger"
    assert read == counts.records, f"{job}: read"
    assert read == inserted + duplicates + rejected, f"{job}: the sums"
    assert rejected == counts.rejected, f"{job}: rejected"
    assert inserted <= len(counts.distinct), f"{job}: inserted"
    rejects = connection.execute(
        "SELECT code, sum(count) FROM validation_errors WHERE job_id = %s GROUP BY code", (job,)
    ).fetchall()
    assert dict(rejects) == dict(counts.rejects), f"{job}: rejects"
    return int(inserted)


def _check_rows(connection: Connection, dataset: str, hashes: set[bytes]) -> None:
    rows = connection.execute(
        "SELECT content_hash, record FROM ingested_data"
        " WHERE dataset_id = (SELECT id FROM datasets WHERE name = %s)",
        (dataset,),
    ).fetchall()
    assert len(rows) == len(hashes), f"{dataset}: rows"
    assert {digest for digest, _ in rows} == hashes, f"{dataset}: hashes"
    assert all(hashlib.sha256(canonical(record)).digest() == digest for digest, record in rows), dataset


def _one(connection: Connection, query: LiteralString, parameter: object) -> tuple[Any, ...]:
    row = connection.execute(query, (parameter,)).fetchone()
    assert row is not None
    return row

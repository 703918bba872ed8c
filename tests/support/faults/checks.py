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


Place = tuple[str, str]  # a tenant and a dataset


def check(connection: Connection, loadings: Iterable[tuple[UUID, Place, File]]) -> int:
    """Fails unless all was loaded, each record once; how many rows there are."""
    inserted: Counter[Place] = Counter()
    distinct: defaultdict[Place, set[bytes]] = defaultdict(set)
    for job, place, file in loadings:
        counts = expected(file)
        inserted[place] += _check_job(connection, job, counts)
        distinct[place] |= counts.distinct
    for place, hashes in distinct.items():
        assert inserted[place] == len(hashes), f"{place}: inserted"
        _check_rows(connection, place, hashes)
    rows = sum(map(len, distinct.values()))
    assert connection.execute("SELECT count(*) FROM ingested_data").fetchone() == (
        rows,
    )  # and no other is there
    return rows


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


def _check_rows(connection: Connection, place: Place, hashes: set[bytes]) -> None:
    rows = connection.execute(
        "SELECT content_hash, record FROM ingested_rows WHERE tenant = %s AND dataset = %s", place
    ).fetchall()
    assert len(rows) == len(hashes), f"{place}: rows"
    assert {digest for digest, _ in rows} == hashes, f"{place}: hashes"
    assert all(hashlib.sha256(canonical(record)).digest() == digest for digest, record in rows), place


def _one(connection: Connection, query: LiteralString, parameter: object) -> tuple[Any, ...]:
    row = connection.execute(query, (parameter,)).fetchone()
    assert row is not None
    return row

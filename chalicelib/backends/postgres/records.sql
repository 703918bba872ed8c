-- name: copy_rows
COPY ingested_data (first_job, last_job, dataset_id, content_hash, record, metadata) FROM STDIN (FORMAT binary)

-- name: use_indexes
-- Each hash is looked up in the index. Without statistics of the table, or with old ones, Postgres may think that there
-- is little in it, and compare all of its rows with all hashes: that takes hours. With these off, and the dataset as a
-- column of what is looked up (OFFSET 0 keeps it one), beginning with the table pays for tiny ones alone.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)

-- name: mark_known
-- Of the hashes (32 bytes each, one after the other) those whose rows another job brought: this one is their last now.
-- How many, and their places in the list, unless that is all of them.
WITH marked AS (
    UPDATE ingested_data AS old SET
        last_job = %(job)s,
        metadata = coalesce(old.metadata || %(metadata)s::jsonb, old.metadata, %(metadata)s::jsonb)
    FROM (
        SELECT place, %(dataset)s::integer AS dataset_id,
               substr(%(hashes)b::bytea, 32 * place + 1, 32) AS content_hash
        FROM generate_series(0, %(count)s::integer - 1) AS place OFFSET 0
    ) AS wanted
    WHERE old.dataset_id = wanted.dataset_id AND old.content_hash = wanted.content_hash AND old.first_job <> %(job)s
    RETURNING place
)
SELECT count(*) AS count, CASE WHEN count(*) < %(count)s THEN array_agg(place) END AS places FROM marked

-- name: find_known
-- The same of hashes whose rows are there, whoever brought them.
SELECT count(*) AS count, CASE WHEN count(*) < %(count)s THEN array_agg(place) END AS places
FROM generate_series(0, %(count)s::integer - 1) AS place
WHERE EXISTS (
    SELECT FROM ingested_data
    WHERE dataset_id = %(dataset)s AND content_hash = substr(%(hashes)b::bytea, 32 * place + 1, 32) OFFSET 0
)

-- name: stage
CREATE TEMPORARY TABLE IF NOT EXISTS staged_rows
    (first_job bigint, last_job bigint, dataset_id integer, content_hash bytea, record jsonb, metadata jsonb)
ON COMMIT DELETE ROWS

-- name: copy_staged
COPY staged_rows (first_job, last_job, dataset_id, content_hash, record, metadata) FROM STDIN (FORMAT binary)

-- name: upsert_staged
-- Only a row that this statement inserted has this job as first and last: a job that meets its own row again leaves
-- it as it is, and so does not hide who else brought it (see undo). xmax would tell, too, but partitioned tables do
-- not give it back.
WITH written AS (
    INSERT INTO ingested_data AS old (first_job, last_job, dataset_id, content_hash, record, metadata)
    SELECT first_job, last_job, dataset_id, content_hash, record, metadata
    FROM staged_rows ORDER BY content_hash
    ON CONFLICT (dataset_id, content_hash) DO UPDATE SET
        last_job = excluded.last_job,
        metadata = coalesce(old.metadata || excluded.metadata, old.metadata, excluded.metadata)
    WHERE old.first_job <> excluded.first_job
    RETURNING old.first_job = old.last_job AS inserted
)
SELECT count(*) FILTER (WHERE inserted) FROM written

-- name: copy_rejects
COPY validation_errors (job_id, block_no, record, byte_offset, field, code, message, raw) FROM STDIN

-- name: admit_block
-- Whoever wants to end the job waits until we have committed; who comes after them waits for them. A lock on the
-- job's row would not do: those who share it overtake those who wait for it.
SELECT pg_advisory_xact_lock_shared(hashtextextended(%(job_id)s::text, 0))

-- name: insert_block
-- Nothing if the job has ended, or was begun anew with another object.
INSERT INTO ingestion_blocks
    (job_id, block_no, start_offset, end_offset, source_offset, records, inserted, duplicates, rejected)
SELECT id, %(no)s, %(start)s, %(end)s, %(source_offset)s,
       %(records)s, %(inserted)s, %(duplicates)s, %(rejected)s
FROM ingestion_jobs WHERE id = %(job_id)s AND status = 'PROCESSING' AND etag = %(etag)s

-- name: create_dataset
INSERT INTO datasets (name) VALUES (%(dataset)s) ON CONFLICT (name) DO NOTHING

-- name: create_job
-- A client whose connection broke may not know that its job is there already.
INSERT INTO ingestion_jobs
    (id, dataset_id, filename, format, options, metadata, block_size, bucket, key, force,
     declared_size, sha256, upload_expires_at, upload_id, part_size)
SELECT %(id)s, id, %(filename)s, %(format)s, %(options)s, %(metadata)s, %(block_size)s, %(bucket)s, %(key)s,
       %(force)s, %(declared_size)s, %(sha256)s, %(upload_expires_at)s, %(upload_id)s, %(part_size)s
FROM datasets WHERE name = %(dataset)s
ON CONFLICT (id) DO NOTHING

-- name: select_jobs
SELECT job.*, dataset.name AS dataset, ledger.*
FROM ingestion_jobs AS job
JOIN datasets AS dataset ON dataset.id = job.dataset_id
CROSS JOIN LATERAL (
    SELECT
        -- of a compressed object what was read so far, else what was loaded
        coalesce(max(source_offset), sum(end_offset - start_offset), 0)::bigint AS bytes_processed,
        coalesce(sum(records), 0)::bigint AS records,
        coalesce(sum(inserted), 0)::bigint AS inserted,
        coalesce(sum(duplicates), 0)::bigint AS duplicates,
        coalesce(sum(rejected), 0)::bigint AS rejected,
        max(committed_at) AS last_commit
    FROM ingestion_blocks WHERE job_id = job.id
) AS ledger

-- name: where_id
WHERE job.id = %(id)s

-- name: where_page
WHERE (%(before)s::bigint IS NULL OR job.number < %(before)s)
  AND (%(status)s::text IS NULL OR job.status = %(status)s)
  AND (%(dataset)s::text IS NULL OR job.dataset_id = (SELECT id FROM datasets WHERE name = %(dataset)s))
ORDER BY job.number DESC
LIMIT %(limit)s

-- name: select_rejects
-- A record's number is known once everything before its block is in the ledger.
WITH block AS (
    SELECT
        block_no,
        CASE WHEN coalesce(sum(end_offset - start_offset) OVER before, 0) = start_offset
             THEN coalesce(sum(records) OVER before, 0) END AS first_record
    FROM ingestion_blocks
    WHERE job_id = %(id)s
    WINDOW before AS (ORDER BY block_no ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT block_no, error.record, (first_record + error.record + 1)::bigint AS record_number,
       byte_offset, field, code, message, raw
FROM validation_errors AS error JOIN block USING (block_no)
WHERE job_id = %(id)s AND (block_no, error.record) > (%(after_block)s, %(after_record)s)
ORDER BY block_no, error.record
LIMIT %(limit)s

-- name: mark_uploaded
UPDATE ingestion_jobs
SET etag = %(etag)s, size = %(size)s, version_id = %(version_id)s, uploaded_at = now(), updated_at = now()
WHERE id = %(id)s AND status = 'PENDING'

-- name: claim
UPDATE ingestion_jobs
SET status = 'PROCESSING', lease_owner = %(owner)s,
    lease_until = now() + make_interval(secs => %(lease_seconds)s),
    attempts = attempts + 1, started_at = coalesce(started_at, now()), updated_at = now()
WHERE id = %(id)s AND status IN ('PENDING', 'PROCESSING')
  AND (lease_until IS NULL OR lease_until < now() OR lease_owner = %(owner)s)

-- name: renew
UPDATE ingestion_jobs
SET lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(id)s AND status = 'PROCESSING' AND lease_owner = %(owner)s

-- name: release
UPDATE ingestion_jobs SET lease_owner = NULL, lease_until = NULL
WHERE id = %(id)s AND lease_owner = %(owner)s

-- name: lock_job
SELECT status, etag, size, version_id, detected FROM ingestion_jobs WHERE id = %(id)s FOR UPDATE

-- name: open_job
UPDATE ingestion_jobs
SET etag = %(etag)s, size = %(size)s, version_id = %(version_id)s, detected = %(detected)s,
    block_size = %(block_size)s, uploaded_at = coalesce(uploaded_at, now()), updated_at = now()
WHERE id = %(id)s

-- name: measure
UPDATE ingestion_jobs SET text_size = %(size)s WHERE id = %(id)s AND text_size IS NULL

-- name: gaps
-- Where a block does not begin where the one before ended, and at the end, if that is known.
SELECT gap_start, gap_end
FROM (
    SELECT coalesce(lag(end_offset) OVER (ORDER BY start_offset NULLS LAST), 0) AS gap_start,
           start_offset AS gap_end
    FROM (
        SELECT start_offset, end_offset FROM ingestion_blocks WHERE job_id = %(id)s
        UNION ALL SELECT %(total)s::bigint, %(total)s::bigint
    ) AS block
) AS step
WHERE gap_start IS DISTINCT FROM gap_end
ORDER BY gap_start

-- name: unexplained
-- Rejects that the ledger counts and the dead-letter table does not hold, or the other way round.
SELECT (SELECT coalesce(sum(rejected), 0) FROM ingestion_blocks WHERE job_id = %(id)s)
     - (SELECT count(*) FROM validation_errors WHERE job_id = %(id)s) AS difference

-- name: complete
UPDATE ingestion_jobs
SET status = 'COMPLETED', completed_at = now(), updated_at = now(), lease_owner = NULL, lease_until = NULL
WHERE id = %(id)s

-- name: fail
UPDATE ingestion_jobs
SET status = 'FAILED', completed_at = now(), updated_at = now(), lease_owner = NULL, lease_until = NULL,
    error_code = %(code)s, error_message = %(message)s
WHERE id = %(id)s AND status IN ('PENDING', 'PROCESSING')

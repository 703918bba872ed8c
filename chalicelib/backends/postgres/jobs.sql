-- name: create_dataset
-- Not tried when it is there: each try uses up an id.
INSERT INTO datasets (name) SELECT %(dataset)s
WHERE NOT EXISTS (SELECT FROM datasets WHERE name = %(dataset)s)
ON CONFLICT (name) DO NOTHING

-- name: create_job
-- A client whose connection broke may not know that its job is there already.
INSERT INTO ingestion_jobs
    (id, dataset_id, filename, format, options, metadata, block_size, bucket, key, force,
     declared_size, sha256, upload_expires_at, upload_id, part_size, part_checksums)
SELECT %(id)s, id, %(filename)s, %(format)s, %(options)s, %(metadata)s, %(block_size)s, %(bucket)s, %(key)s,
       %(force)s, %(declared_size)s, %(sha256)s, %(upload_expires_at)s, %(upload_id)s, %(part_size)s,
       %(part_checksums)s
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
-- A record's number is known once everything before its block is in the ledger. What a file that was loaded
-- before had rejected is kept with the job that loaded it.
WITH loader AS (
    SELECT coalesce(duplicate_of, id) AS job_id FROM ingestion_jobs WHERE id = %(id)s
), block AS (
    SELECT
        block_no,
        CASE WHEN coalesce(sum(end_offset - start_offset) OVER before, 0) = start_offset
             THEN coalesce(sum(records) OVER before, 0) END AS first_record
    FROM ingestion_blocks
    WHERE job_id = (SELECT job_id FROM loader)
    WINDOW before AS (ORDER BY block_no ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT block_no, error.record, (first_record + error.record + 1)::bigint AS record_number,
       byte_offset, field, code, message, raw
FROM validation_errors AS error JOIN block USING (block_no)
WHERE job_id = (SELECT job_id FROM loader) AND (block_no, error.record) > (%(after_block)s, %(after_record)s)
ORDER BY block_no, error.record
LIMIT %(limit)s

-- name: mark_uploaded
-- The first to arrive is the job's, whatever else is put in its place.
UPDATE ingestion_jobs
SET etag = %(etag)s, size = %(size)s, version_id = %(version_id)s, checksum = %(checksum)s,
    uploaded_at = now(), updated_at = now()
WHERE id = %(id)s AND status = 'PENDING' AND uploaded_at IS NULL AND bucket = %(bucket)s AND key = %(key)s

-- name: claim
-- Of a file that has been shared out its ranges are taken instead.
UPDATE ingestion_jobs AS job
SET status = CASE WHEN status = ANY(%(before)s) THEN %(after)s ELSE status END,
    lease_owner = %(owner)s, lease_until = now() + make_interval(secs => %(lease_seconds)s),
    attempts = attempts + 1, started_at = coalesce(started_at, now()), updated_at = now(),
    vain_attempts = 1 + CASE WHEN EXISTS (
        SELECT FROM ingestion_blocks WHERE job_id = job.id AND committed_at > job.claimed_at
    ) THEN 0 ELSE vain_attempts END,
    claimed_at = clock_timestamp(), announced_at = NULL, announcements = 0
WHERE id = %(id)s AND (status = ANY(%(before)s) OR status = 'UNDOING')
  AND (lease_until IS NULL OR lease_until < now() OR lease_owner = %(owner)s)
  AND (shared_to < size OR NOT EXISTS (SELECT FROM ingestion_ranges WHERE job_id = job.id))

-- name: claim_range
-- First those that nobody has failed at.
UPDATE ingestion_ranges AS part
SET lease_owner = %(owner)s, lease_until = now() + make_interval(secs => %(lease_seconds)s),
    vain_attempts = 1 + CASE WHEN EXISTS (
        SELECT FROM ingestion_blocks AS block
        WHERE block.job_id = part.job_id AND block.committed_at > part.claimed_at
          AND block.start_offset >= part.start_offset AND block.start_offset < part.end_offset
    ) THEN 0 ELSE vain_attempts END,
    claimed_at = clock_timestamp()
WHERE job_id = %(id)s
  AND EXISTS (SELECT FROM ingestion_jobs WHERE id = %(id)s AND status = 'PROCESSING')
  AND start_offset = (
    SELECT start_offset FROM ingestion_ranges
    WHERE job_id = %(id)s AND (lease_until IS NULL OR lease_until < now() OR lease_owner = %(owner)s)
    ORDER BY vain_attempts, start_offset LIMIT 1
  )
RETURNING start_offset, end_offset, vain_attempts

-- name: renew
UPDATE ingestion_jobs
SET lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(id)s AND status IN ('PROCESSING', 'UNDOING') AND lease_owner = %(owner)s

-- name: renew_range
UPDATE ingestion_ranges
SET lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE job_id = %(id)s AND lease_owner = %(owner)s

-- name: release
UPDATE ingestion_jobs
SET lease_owner = NULL, lease_until = NULL, updated_at = now(),
    vain_attempts = CASE WHEN %(vain)s THEN vain_attempts ELSE greatest(vain_attempts - 1, 0) END
WHERE id = %(id)s AND lease_owner = %(owner)s

-- name: release_range
UPDATE ingestion_ranges
SET lease_owner = NULL, lease_until = NULL,
    vain_attempts = CASE WHEN %(vain)s THEN vain_attempts ELSE greatest(vain_attempts - 1, 0) END
WHERE job_id = %(id)s AND lease_owner = %(owner)s

-- name: share_to
-- Only from where the sharing out had got to: whoever was overtaken at it stops.
UPDATE ingestion_jobs SET shared_to = coalesce(%(to)s, size)
WHERE id = %(id)s AND status = 'PROCESSING' AND etag = %(etag)s AND shared_to IS NOT DISTINCT FROM %(since)s

-- name: add_range
INSERT INTO ingestion_ranges (job_id, start_offset, end_offset) VALUES (%(id)s, %(start)s, %(end)s)

-- name: remove_range
DELETE FROM ingestion_ranges WHERE job_id = %(id)s AND start_offset = %(start)s

-- name: remove_ranges
DELETE FROM ingestion_ranges WHERE job_id = %(id)s

-- name: wait_for_blocks
-- Those that are just being committed; no other is until we have committed. See admit_block.
SELECT pg_advisory_xact_lock(hashtextextended(%(id)s::text, 0))

-- name: lock_job
SELECT status, attempts, etag, size, text_size, detected, purged_at, upload_id, uploaded_at
FROM ingestion_jobs WHERE id = %(id)s FOR NO KEY UPDATE

-- name: stands_for
SELECT id FROM ingestion_jobs WHERE duplicate_of = %(id)s AND status = 'COMPLETED' LIMIT 1

-- name: open_job
UPDATE ingestion_jobs
SET etag = %(etag)s, size = %(size)s, version_id = %(version_id)s, checksum = %(checksum)s,
    detected = %(detected)s, block_size = %(block_size)s, uploaded_at = coalesce(uploaded_at, now()), updated_at = now()
WHERE id = %(id)s

-- name: measure
UPDATE ingestion_jobs SET text_size = %(size)s WHERE id = %(id)s AND text_size IS NULL AND etag = %(etag)s

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
SET status = %(after)s, completed_at = now(), updated_at = now(), lease_owner = NULL, lease_until = NULL,
    duplicate_of = %(duplicate_of)s
WHERE id = %(id)s

-- name: fail
-- Only whoever took the job last may say so, or a range of it.
UPDATE ingestion_jobs
SET status = %(after)s, completed_at = now(), updated_at = now(), lease_owner = NULL, lease_until = NULL,
    error_code = %(code)s, error_message = %(message)s
WHERE id = %(id)s AND status = ANY(%(before)s) AND (
    lease_owner = %(owner)s
    OR EXISTS (SELECT FROM ingestion_ranges WHERE job_id = id AND ingestion_ranges.lease_owner = %(owner)s)
)

-- name: same_content
-- The first job that loaded the same bytes in the same way. It cannot be undone until we have committed.
SELECT other.id
FROM ingestion_jobs AS job JOIN ingestion_jobs AS other ON
    other.dataset_id = job.dataset_id AND other.checksum = %(checksum)s AND other.size = %(size)s
    AND other.options = job.options AND other.format IS NOT DISTINCT FROM job.format
    AND other.metadata IS NOT DISTINCT FROM job.metadata AND other.status = 'COMPLETED'
    AND other.duplicate_of IS NULL AND other.id <> job.id
WHERE job.id = %(id)s AND NOT job.force
ORDER BY other.number LIMIT 1
FOR SHARE OF other

-- name: rows_removed
-- How many of the rows that a job inserted are not there any more: somebody removed them by hand.
SELECT (SELECT coalesce(sum(inserted), 0) FROM ingestion_blocks WHERE job_id = job.id)
     - (SELECT count(*) FROM ingested_data WHERE dataset_id = job.dataset_id AND first_job = job.number) AS count
FROM ingestion_jobs AS job WHERE id = %(id)s

-- name: copy_ledger
-- As if the file had been loaded again: every row of it is there already.
INSERT INTO ingestion_blocks (job_id, block_no, start_offset, end_offset, source_offset,
                              records, inserted, duplicates, rejected)
SELECT %(id)s, block_no, start_offset, end_offset, source_offset,
       records, 0, inserted + duplicates, rejected
FROM ingestion_blocks WHERE job_id = %(duplicate_of)s

-- name: pin
UPDATE ingestion_jobs
SET etag = %(etag)s, size = %(size)s, version_id = %(version_id)s, checksum = %(checksum)s,
    uploaded_at = coalesce(uploaded_at, now())
WHERE id = %(id)s

-- name: end_job
UPDATE ingestion_jobs
SET status = %(after)s, completed_at = now(), updated_at = now(), lease_owner = NULL, lease_until = NULL
WHERE id = %(id)s

-- name: begin_undo
UPDATE ingestion_jobs
SET status = %(after)s, updated_at = now(), undone_rows = 0, vain_attempts = 0,
    announced_at = NULL, announcements = 0,
    lease_owner = NULL, lease_until = NULL
WHERE id = %(id)s

-- name: retry_job
-- A file of which nothing was loaded yet is looked at afresh: it may have been replaced.
UPDATE ingestion_jobs AS job
SET status = %(after)s, completed_at = NULL, updated_at = now(), error_code = NULL, error_message = NULL,
    vain_attempts = 0, announced_at = NULL, announcements = 0, lease_owner = NULL, lease_until = NULL,
    shared_to = NULL,
    detected = CASE WHEN has_blocks THEN detected END,
    etag = CASE WHEN has_blocks THEN etag END,
    size = CASE WHEN has_blocks THEN size END,
    version_id = CASE WHEN has_blocks THEN version_id END,
    checksum = CASE WHEN has_blocks THEN checksum END,
    text_size = CASE WHEN has_blocks THEN text_size END
FROM (SELECT EXISTS (SELECT FROM ingestion_blocks WHERE job_id = %(id)s) AS has_blocks) AS ledger
WHERE id = %(id)s

-- name: select_jobs
SELECT job.*, dataset.name AS dataset, ledger.*, told.*
FROM ingestion_jobs AS job
JOIN datasets AS dataset ON dataset.id = job.dataset_id
CROSS JOIN LATERAL (
    SELECT
        -- of a compressed object the bytes read so far, else the bytes loaded
        coalesce(max(source_offset), sum(end_offset - start_offset), 0)::bigint AS bytes_processed,
        coalesce(sum(records), 0)::bigint AS records,
        coalesce(sum(inserted), 0)::bigint AS inserted,
        coalesce(sum(duplicates), 0)::bigint AS duplicates,
        coalesce(sum(rejected), 0)::bigint AS rejected,
        max(committed_at) AS last_commit
    FROM ingestion_blocks WHERE job_id = job.id
) AS ledger
CROSS JOIN LATERAL (
    -- One warning for each code, at its first place; of a duplicate file, those of the job that loaded it. Records and
    -- lines count from 1 in the file, once every earlier block is in the ledger.
    SELECT json_agg(
        json_build_object(
            'code', code, 'count', kind.count, 'offset', byte_offset, 'example', example,
            'record', CASE WHEN before.is_whole THEN before.records + record + 1 END,
            'line', CASE WHEN before.is_whole AND before.has_lines THEN before.lines + line + 1 END
        )
        ORDER BY byte_offset, code
    ) AS warnings
    FROM (
        SELECT job_id, code, min(block_no) AS block_no, sum(count)::bigint AS count
        FROM job_warnings WHERE job_id = coalesce(job.duplicate_of, job.id) GROUP BY job_id, code
    ) AS kind
    JOIN job_warnings AS first USING (job_id, block_no, code)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(end_offset - start_offset) = max(end_offset), true) AS is_whole,
               count(*) = count(lines) AS has_lines,
               coalesce(sum(records) FILTER (WHERE block_no < first.block_no), 0)::bigint AS records,
               coalesce(sum(lines) FILTER (WHERE block_no < first.block_no), 0)::bigint AS lines
        FROM ingestion_blocks WHERE job_id = first.job_id AND block_no <= first.block_no
    ) AS before
) AS told

-- name: where_id
WHERE job.id = %(id)s

-- name: wait_for_blocks
-- Waits for blocks that are being committed, and admits no other until this transaction ends. See admit_block.
SELECT pg_advisory_xact_lock(hashtextextended(%(id)s::text, 0))

-- name: lock_job
SELECT status, attempts, etag, size, text_size, detected, reading_no, purged_at, upload_id, uploaded_at
FROM ingestion_jobs WHERE id = %(id)s FOR NO KEY UPDATE

-- name: add_warning
INSERT INTO job_warnings (job_id, block_no, code, count, record, line, byte_offset, example)
VALUES (%(job_id)s, %(block_no)s, %(code)s, %(count)s, %(record)s, %(line)s, %(offset)s, %(example)s)

-- name: remove_ranges
DELETE FROM ingestion_ranges WHERE job_id = %(id)s

-- name: drop_reading
-- The next worker to open the job fixes another reading, under the next number.
UPDATE ingestion_jobs
SET reading_no = reading_no + 1, detected = NULL, text_size = NULL, duplicate_of = NULL, rereads = %(same_object)s,
    etag = CASE WHEN %(same_object)s THEN etag END,
    size = CASE WHEN %(same_object)s THEN size END,
    version_id = CASE WHEN %(same_object)s THEN version_id END,
    checksum = CASE WHEN %(same_object)s THEN checksum END
WHERE id = %(id)s

-- name: remove_warnings
DELETE FROM job_warnings WHERE job_id = %(id)s

-- name: make_pending
UPDATE ingestion_jobs
SET status = %(after)s, completed_at = NULL, updated_at = now(), error_code = NULL, error_message = NULL,
    vain_attempts = 0, announced_at = NULL, announcements = 0, lease_owner = NULL, lease_until = NULL,
    shared_to = NULL, undone_rows = NULL
WHERE id = %(id)s

-- name: select_jobs
SELECT job.*, dataset.name AS dataset, ledger.*
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

-- name: where_id
WHERE job.id = %(id)s

-- name: wait_for_blocks
-- Waits for blocks that are being committed, and admits no other until this transaction ends. See admit_block.
SELECT pg_advisory_xact_lock(hashtextextended(%(id)s::text, 0))

-- name: lock_job
SELECT status, attempts, etag, size, text_size, detected, purged_at, upload_id, uploaded_at
FROM ingestion_jobs WHERE id = %(id)s FOR NO KEY UPDATE

-- name: remove_ranges
DELETE FROM ingestion_ranges WHERE job_id = %(id)s

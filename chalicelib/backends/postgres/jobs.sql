-- name: select_jobs
-- The rejects of a duplicate file are those of the job that loaded it.
SELECT job.*, tenant.name AS tenant, dataset.name AS dataset, own.erasures, ledger.*, loader.detected->>'format' AS rejects_format,
       file.requested_at IS NOT NULL AS rejects_requested, file.key AS rejects_key, file.rejects AS rejects_count,
       file.source AS rejects_source, file.error AS rejects_error

-- name: from_jobs
FROM ingestion_jobs AS job

-- name: join_others
JOIN tenants AS tenant ON tenant.id = job.tenant_id
JOIN tenant_datasets AS own ON own.id = job.dataset_id
JOIN datasets AS dataset ON dataset.id = own.dataset_id
JOIN ingestion_jobs AS loader  -- coalesce() is not leakproof: with row-level security, no index would be used
    ON loader.id = CASE WHEN job.duplicate_of IS NULL THEN job.id ELSE job.duplicate_of END
LEFT JOIN rejects_files AS file ON file.job_id = loader.id
CROSS JOIN LATERAL (
    SELECT
        -- of a compressed object the bytes read so far, else the bytes loaded
        coalesce(max(source_offset), sum(end_offset - start_offset), 0)::bigint AS bytes_processed,
        coalesce(sum(records), 0)::bigint AS records,
        coalesce(sum(inserted), 0)::bigint AS inserted,
        coalesce(sum(duplicates), 0)::bigint AS duplicates,
        coalesce(sum(rejected), 0)::bigint AS rejected,
        coalesce(sum(unstored), 0)::bigint AS unstored,
        max(committed_at) AS last_commit
    FROM ingestion_blocks WHERE job_id = job.id
) AS ledger

-- name: where_id
WHERE job.id = %(id)s AND

-- name: of_tenant
job.tenant_id = %(tenant_id)s

-- name: of_creator
job.created_by = %(created_by)s

-- name: of_datasets
job.dataset_id IN (
    SELECT own.id FROM tenant_datasets AS own JOIN datasets ON datasets.id = own.dataset_id
    WHERE own.tenant_id = %(tenant_id)s AND datasets.name = ANY(%(datasets)s)
)

-- name: wait_for_blocks
-- Waits for blocks that are being committed, and admits no other until this transaction ends. See admit_block.
SELECT pg_advisory_xact_lock(hashtextextended(%(id)s::text, 0))

-- name: look_at_job
SELECT status, attempts, etag, size, text_size, detected, reading_no, purged_at, upload_id, uploaded_at,
       max_rejects, max_rejects_is_share, on_failure, rejects_beyond_limit, rolls_back,
       EXISTS (SELECT FROM tenants WHERE id = job.tenant_id AND removing_at IS NOT NULL) AS is_removed,
       EXISTS (SELECT FROM erasure_jobs WHERE job_id = job.id AND holds AND examined_at IS NOT NULL) AS is_erased
FROM ingestion_jobs AS job WHERE job.id = %(id)s AND

-- name: for_change
FOR NO KEY UPDATE

-- name: has_blocks
SELECT EXISTS (SELECT FROM ingestion_blocks WHERE job_id = %(id)s) AS has_blocks

-- name: remove_ranges
DELETE FROM ingestion_ranges WHERE job_id = %(id)s

-- name: remove_preview
DELETE FROM job_previews WHERE job_id = %(id)s

-- name: drop_reading
-- The next worker to open the job fixes another reading, under the next number.
UPDATE ingestion_jobs
SET reading_no = reading_no + 1, detected = NULL, text_size = NULL, duplicate_of = NULL, rereads = %(same_object)s,
    block_size = coalesce(planned_block_size, block_size),
    etag = CASE WHEN %(same_object)s THEN etag END,
    size = CASE WHEN %(same_object)s THEN size END,
    version_id = CASE WHEN %(same_object)s THEN version_id END,
    checksum = CASE WHEN %(same_object)s THEN checksum END
WHERE id = %(id)s

-- name: make_pending
UPDATE ingestion_jobs
SET status = %(after)s, completed_at = NULL, updated_at = now(), error_code = NULL, error_message = NULL,
    vain_attempts = 0, announced_at = NULL, announcements = 0, lease_owner = NULL, lease_until = NULL,
    shared_to = NULL, undone_rows = NULL,
    queued_at = CASE WHEN uploaded_at IS NULL THEN NULL  -- it waits for its file
                     WHEN status = 'UNDOING' THEN queued_at  -- since it was to be read again
                     ELSE now() END
WHERE id = %(id)s

-- name: create_dataset
-- Not attempted when it exists: every attempt uses up an id.
INSERT INTO datasets (name) SELECT %(dataset)s
WHERE NOT EXISTS (SELECT FROM datasets WHERE name = %(dataset)s)
ON CONFLICT (name) DO NOTHING

-- name: create_tenant_dataset
INSERT INTO tenant_datasets (tenant_id, dataset_id)
SELECT %(tenant_id)s, id FROM datasets
WHERE name = %(dataset)s
  AND NOT EXISTS (SELECT FROM tenant_datasets WHERE tenant_id = %(tenant_id)s AND dataset_id = datasets.id)
ON CONFLICT (tenant_id, dataset_id) DO NOTHING

-- name: dataset_options
SELECT options FROM datasets WHERE name = %(dataset)s

-- name: set_dataset_options
UPDATE datasets SET options = %(options)s WHERE name = %(dataset)s

-- name: create_job
-- Idempotent: a client whose connection broke may repeat the request.
INSERT INTO ingestion_jobs
    (id, tenant_id, created_by, dataset_id, filename, format, options, metadata, block_size, bucket, key, force, preview,
     declared_size, sha256, upload_expires_at, upload_id, part_size, part_checksums,
     parent_job, max_rejects, max_rejects_is_share, on_failure, rejects_beyond_limit)
SELECT %(id)s, own.tenant_id, %(created_by)s, own.id, %(filename)s, %(format)s, %(options)s, %(metadata)s, %(block_size)s, %(bucket)s, %(key)s,
       %(force)s, %(preview)s, %(declared_size)s, %(sha256)s, %(upload_expires_at)s, %(upload_id)s, %(part_size)s,
       %(part_checksums)s, %(parent_job)s, %(max_rejects)s, %(max_rejects_is_share)s, %(on_failure)s,
       %(rejects_beyond_limit)s
FROM tenant_datasets AS own JOIN datasets ON datasets.id = own.dataset_id
JOIN tenants ON tenants.id = own.tenant_id AND tenants.removing_at IS NULL
WHERE own.tenant_id = %(tenant_id)s AND datasets.name = %(dataset)s
ON CONFLICT (id) DO NOTHING

-- name: count_file
INSERT INTO upload_tokens AS token (id, tenant_id, files, expires_at)
VALUES (%(token_id)s, %(tenant_id)s, 1, %(expires_at)s)
ON CONFLICT (id) DO UPDATE SET files = token.files + 1 WHERE token.files < %(max_files)s

-- name: dataset_id
SELECT own.id
FROM tenant_datasets AS own JOIN datasets ON datasets.id = own.dataset_id
WHERE own.tenant_id = coalesce(%(tenant_id)s, 1) AND datasets.name = %(dataset)s

-- name: from_page
-- A page of jobs without what lists leave out: of thousands of labels and columns nothing is sent.
FROM (
    SELECT job FROM ingestion_jobs AS job
    WHERE (%(before)s::bigint IS NULL OR job.number < %(before)s)
      AND (%(status)s::text IS NULL OR job.status = %(status)s)
      AND (%(dataset_id)s::integer IS NULL OR job.dataset_id = %(dataset_id)s)
      AND (%(since)s::timestamptz IS NULL OR job.created_at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR job.created_at < %(until)s)
      AND {within_reach}
    ORDER BY job.number DESC
    LIMIT %(limit)s
) AS page
CROSS JOIN LATERAL jsonb_populate_record(page.job, jsonb_build_object(
    'metadata', NULL, 'detected', (page.job).detected - ARRAY['columns', 'decimal_columns']
)) AS job

-- name: newest_first
ORDER BY job.number DESC

-- name: mark_arrived
-- The first object to arrive is the job's, even if another one replaces it later.
UPDATE ingestion_jobs AS job
SET etag = %(etag)s, size = %(size)s, version_id = %(version_id)s, checksum = %(checksum)s,
    uploaded_at = now(), updated_at = now(), queued_at = now()
WHERE id = %(id)s AND status = 'PENDING' AND uploaded_at IS NULL AND bucket = %(bucket)s AND key = %(key)s
  AND

-- name: duplicate_of_job
SELECT id FROM ingestion_jobs WHERE duplicate_of = %(id)s AND status = 'COMPLETED' LIMIT 1

-- name: cancel_job
UPDATE ingestion_jobs
SET status = %(after)s, completed_at = now(), updated_at = now(), lease_owner = NULL, lease_until = NULL
WHERE id = %(id)s

-- name: begin_loading
-- Its times are those of the loading: the client may have thought about the preview for long.
UPDATE ingestion_jobs SET preview = false, started_at = NULL WHERE id = %(id)s

-- name: change_instructions
UPDATE ingestion_jobs
SET format = %(format)s, options = %(options)s, max_rejects = %(max_rejects)s,
    max_rejects_is_share = %(max_rejects_is_share)s, on_failure = %(on_failure)s,
    rejects_beyond_limit = %(rejects_beyond_limit)s
WHERE id = %(id)s

-- name: begin_undo
-- A job that was rolled back has undone rows already.
UPDATE ingestion_jobs
SET status = %(after)s, updated_at = now(), undone_rows = coalesce(undone_rows, 0), vain_attempts = 0,
    queued_at = CASE WHEN %(rereads)s THEN now() ELSE queued_at END,
    rereads = %(rereads)s, rolls_back = false,
    announced_at = NULL, announcements = 0,
    lease_owner = NULL, lease_until = NULL
WHERE id = %(id)s

-- name: removing
-- In any order: one that takes long does not keep the others waiting.
SELECT id, name, created_at, suspended_at, removing_at, removed_at FROM tenants
WHERE removing_at IS NOT NULL AND removed_at IS NULL ORDER BY random()

-- name: unfinished
SELECT id FROM ingestion_jobs
WHERE tenant_id = %(tenant_id)s AND status IN ('PENDING', 'PROCESSING', 'PREVIEWED') ORDER BY number LIMIT %(limit)s

-- name: datasets
SELECT id FROM tenant_datasets WHERE tenant_id = %(tenant_id)s ORDER BY id

-- name: remove_rows
-- Returns the last hash. The next step begins behind it: a look at the index from its beginning would pass all entries of
-- removed rows. Locks rows in the order of their hashes, as every writer does.
WITH page AS MATERIALIZED (
    SELECT ctid, content_hash FROM ingested_data WHERE dataset_id = %(dataset_id)s AND content_hash > %(after)s
    ORDER BY content_hash LIMIT %(limit)s FOR UPDATE
), removed AS (
    DELETE FROM ingested_data
    WHERE dataset_id = %(dataset_id)s AND ctid = ANY (ARRAY(SELECT ctid FROM page))
)
SELECT content_hash FROM page ORDER BY content_hash DESC LIMIT 1

-- name: jobs
-- Jobs that no worker adds to. One that is being undone may go: its worker finds that it has no lease any more.
SELECT id, number FROM ingestion_jobs
WHERE tenant_id = %(tenant_id)s AND number > %(after)s AND status NOT IN ('PENDING', 'PROCESSING', 'PREVIEWED')
ORDER BY number LIMIT %(limit)s

-- name: remove_rejects
DELETE FROM validation_errors WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validation_errors WHERE job_id = %(id)s LIMIT %(limit)s
))

-- name: remove_counts
DELETE FROM reject_counts WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM reject_counts WHERE job_id = %(id)s LIMIT %(limit)s
))

-- name: remove_warnings
DELETE FROM job_warnings WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM job_warnings WHERE job_id = %(id)s LIMIT %(limit)s
))

-- name: remove_ledger
DELETE FROM ingestion_blocks WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ingestion_blocks WHERE job_id = %(id)s LIMIT %(limit)s
))

-- name: remove_ranges
DELETE FROM ingestion_ranges WHERE job_id = %(id)s

-- name: remove_previews
DELETE FROM job_previews WHERE job_id = %(id)s

-- name: remove_rejects_files
DELETE FROM rejects_files WHERE job_id = %(id)s

-- name: forget_duplicates
UPDATE ingestion_jobs SET duplicate_of = NULL WHERE duplicate_of = %(id)s

-- name: remove_job
DELETE FROM ingestion_jobs WHERE id = %(id)s

-- name: remove_keys
DELETE FROM api_keys WHERE tenant_id = %(tenant_id)s

-- name: remove_tokens
DELETE FROM upload_tokens WHERE tenant_id = %(tenant_id)s

-- name: remove_unmatched
DELETE FROM unmatched_objects WHERE starts_with(key, %(prefix)s)

-- name: remove_datasets
-- A job of the dataset may be new; rows of it have a job.
DELETE FROM tenant_datasets AS own
WHERE tenant_id = %(tenant_id)s
  AND NOT EXISTS (SELECT FROM ingestion_jobs WHERE tenant_id = %(tenant_id)s AND dataset_id = own.id)
  AND NOT EXISTS (SELECT FROM ingested_data WHERE dataset_id = own.id)

-- name: finish
UPDATE tenants SET removed_at = now()
WHERE id = %(tenant_id)s AND removed_at IS NULL AND removing_at <= now() - make_interval(secs => %(seconds)s)
  AND NOT EXISTS (SELECT FROM tenant_datasets WHERE tenant_id = %(tenant_id)s)
  AND NOT EXISTS (SELECT FROM api_keys WHERE tenant_id = %(tenant_id)s)
  AND NOT EXISTS (SELECT FROM upload_tokens WHERE tenant_id = %(tenant_id)s)

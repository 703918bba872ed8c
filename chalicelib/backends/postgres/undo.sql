-- name: pages
-- The pages of the table that hold the job's own rows; they lie together, in the order of loading.
SELECT (min(ctid)::text::point)[0]::bigint AS first, (max(ctid)::text::point)[0]::bigint AS last
FROM ingested_data
WHERE dataset_id = %(dataset_id)s AND first_job = %(number)s AND last_job = %(number)s

-- name: remove_rows
-- Locked in the order of hashes, as all who write take their locks; what another job brings meanwhile is not
-- found any more. By ctid, because right after a load Postgres may know nothing yet of what is in the table.
DELETE FROM ingested_data
WHERE first_job = %(number)s AND last_job = %(number)s AND ctid = ANY (ARRAY(
    SELECT ctid FROM ingested_data
    WHERE ctid >= %(start)s::tid AND ctid < %(stop)s::tid
      AND dataset_id = %(dataset_id)s AND first_job = %(number)s AND last_job = %(number)s
    ORDER BY content_hash
    FOR UPDATE
))

-- name: note_removed
UPDATE ingestion_jobs
SET undone_rows = undone_rows + %(removed)s, vain_attempts = 0, updated_at = now()
WHERE id = %(id)s AND status = ANY(%(before)s) AND lease_owner = %(owner)s

-- name: remove_rejects
DELETE FROM validation_errors WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validation_errors WHERE job_id = %(id)s LIMIT %(most)s
))

-- name: remove_ledger
DELETE FROM ingestion_blocks WHERE job_id = %(id)s

-- name: finish_undo
UPDATE ingestion_jobs
SET status = %(after)s, completed_at = now(), updated_at = now(), lease_owner = NULL, lease_until = NULL
WHERE id = %(id)s AND status = ANY(%(before)s) AND lease_owner = %(owner)s

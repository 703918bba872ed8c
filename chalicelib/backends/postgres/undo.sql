-- name: note_removed
UPDATE ingestion_jobs
SET undone_rows = undone_rows + %(removed)s, vain_attempts = 0, updated_at = now()
WHERE id = %(id)s AND status = ANY(%(before)s) AND lease_owner = %(owner)s AND reading_no = %(reading_no)s

-- name: remove_rejects
DELETE FROM validation_errors WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM validation_errors WHERE job_id = %(id)s LIMIT %(limit)s
))

-- name: remove_ledger
DELETE FROM ingestion_blocks WHERE job_id = %(id)s

-- name: finish_undo
-- Also finishes a rollback: then the job keeps its ledger and its error.
UPDATE ingestion_jobs
SET status = %(after)s, completed_at = now(), updated_at = now(), lease_owner = NULL, lease_until = NULL
WHERE id = %(id)s

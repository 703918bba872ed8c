-- name: mark_previewed
UPDATE ingestion_jobs
SET status = %(after)s, updated_at = now(), lease_owner = NULL, lease_until = NULL
WHERE id = %(id)s AND status = ANY(%(before)s) AND preview AND detected IS NOT NULL

-- name: set
INSERT INTO job_previews (job_id, document) VALUES (%(id)s, %(document)s)
ON CONFLICT (job_id) DO UPDATE SET document = excluded.document

-- name: select
SELECT document FROM job_previews WHERE job_id = %(id)s

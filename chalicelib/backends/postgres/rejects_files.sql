-- name: wish
-- Waits for an action on the job, and then sees its status.
INSERT INTO rejects_files AS file (job_id, reading_no, requested_at)
SELECT id, reading_no, now() FROM ingestion_jobs
WHERE id = %(id)s AND status = ANY(%(ended)s) AND purged_at IS NULL
FOR SHARE
ON CONFLICT (job_id) DO UPDATE SET
    reading_no = excluded.reading_no, requested_at = now(), attempts = 0, announced_at = NULL, announcements = 0
WHERE file.requested_at IS NULL

-- name: clear_failure
UPDATE rejects_files SET requested_at = NULL, error = NULL, attempts = 0 WHERE job_id = %(id)s AND error IS NOT NULL

-- name: withdraw
-- The job goes on, or is being undone: no worker may finish what it is making.
UPDATE rejects_files
SET requested_at = NULL, lease_owner = NULL, lease_until = NULL, attempts = 0, error = NULL,
    made_at = NULL, key = NULL, rejects = NULL, source = NULL
WHERE job_id = %(id)s AND (made_at IS NULL OR %(made)s) AND (%(but)s::text IS NULL OR key IS DISTINCT FROM %(but)s)

-- name: claim
UPDATE rejects_files
SET lease_owner = %(owner)s, lease_until = now() + make_interval(secs => %(lease_seconds)s), attempts = attempts + 1,
    announced_at = NULL, announcements = 0
WHERE job_id = %(id)s AND requested_at IS NOT NULL AND made_at IS NULL AND error IS NULL
  AND (lease_until IS NULL OR lease_until < now() OR lease_owner = %(owner)s)
  AND EXISTS (SELECT FROM ingestion_jobs WHERE id = %(id)s AND status = ANY(%(ended)s) AND purged_at IS NULL)
RETURNING attempts

-- name: renew
UPDATE rejects_files SET lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE job_id = %(id)s AND lease_owner = %(owner)s AND made_at IS NULL

-- name: release
UPDATE rejects_files
SET lease_owner = NULL, lease_until = NULL,
    attempts = CASE WHEN %(without_progress)s THEN attempts ELSE greatest(attempts - 1, 0) END
WHERE job_id = %(id)s AND lease_owner = %(owner)s

-- name: begin_in_undo
-- The worker that undoes the job has the job's own lease. With its name here, what it begins again after an outage is not
-- another attempt, and `release` knows its row.
INSERT INTO rejects_files AS file (job_id, reading_no, requested_at, attempts, lease_owner)
SELECT id, reading_no, now(), 1, %(owner)s FROM ingestion_jobs
WHERE id = %(id)s AND status = 'UNDOING' AND lease_owner = %(owner)s AND reading_no = %(reading_no)s
ON CONFLICT (job_id) DO UPDATE SET
    reading_no = excluded.reading_no, requested_at = now(), lease_owner = excluded.lease_owner,
    attempts = file.attempts + CASE WHEN file.lease_owner = excluded.lease_owner THEN 0 ELSE 1 END
WHERE file.made_at IS NULL AND file.error IS NULL
RETURNING attempts

-- name: blocks
SELECT block_no, start_offset, end_offset, rejected,
       records_before AS records, lines_before AS lines, sheet_rows_before AS sheet_rows
FROM numbered_blocks(%(id)s, NULL)
WHERE rejected > 0
ORDER BY block_no

-- name: excerpts
SELECT code, message, record, byte_offset, raw, field, line, sheet_row, count
FROM validation_errors
WHERE job_id = %(id)s AND block_no = %(block_no)s AND record > %(after)s
ORDER BY record LIMIT %(limit)s

-- name: finish
UPDATE rejects_files AS file
SET made_at = now(), key = %(key)s, rejects = %(rejects)s, source = %(source)s, lease_owner = NULL, lease_until = NULL
FROM ingestion_jobs AS job
WHERE file.job_id = %(id)s AND job.id = file.job_id AND file.reading_no = %(reading_no)s AND file.made_at IS NULL
  AND job.purged_at IS NULL
  AND (file.lease_owner = %(owner)s OR job.status = 'UNDOING' AND job.lease_owner = %(owner)s)

-- name: fail
UPDATE rejects_files AS file
SET error = %(message)s, lease_owner = NULL, lease_until = NULL
FROM ingestion_jobs AS job
WHERE file.job_id = %(id)s AND job.id = file.job_id AND file.reading_no = %(reading_no)s AND file.made_at IS NULL
  AND (file.lease_owner = %(owner)s OR job.status = 'UNDOING' AND job.lease_owner = %(owner)s)

-- name: take_silent
-- As for jobs: each is requeued at longer and longer intervals.
UPDATE rejects_files SET announced_at = now(), announcements = announcements + 1
WHERE job_id IN (
    SELECT job_id FROM rejects_files AS file JOIN ingestion_jobs AS job ON job.id = file.job_id
    WHERE made_at IS NULL AND error IS NULL AND requested_at < now() - make_interval(secs => %(seconds)s)
      AND (file.lease_until IS NULL OR file.lease_until < now())
      AND status = ANY(%(ended)s) AND purged_at IS NULL
      AND (file.announced_at IS NULL OR file.announced_at < now()
           - make_interval(secs => %(seconds)s * 2 ^ least(file.announcements, 10)))
    ORDER BY requested_at LIMIT %(limit)s
    FOR UPDATE OF file SKIP LOCKED
)
RETURNING job_id AS id

-- name: purged
SELECT job_id AS id, tenants.name AS tenant
FROM rejects_files JOIN ingestion_jobs AS job ON job.id = job_id JOIN tenants ON tenants.id = job.tenant_id
WHERE purged_at IS NOT NULL ORDER BY purged_at LIMIT %(limit)s

-- name: forget
DELETE FROM rejects_files WHERE job_id = %(id)s

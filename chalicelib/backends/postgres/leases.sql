-- name: claim
-- If the file was split, workers claim ranges instead.
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
-- Ranges with fewer attempts without progress come first.
UPDATE ingestion_ranges AS stretch
SET lease_owner = %(owner)s, lease_until = now() + make_interval(secs => %(lease_seconds)s),
    vain_attempts = 1 + CASE WHEN EXISTS (
        SELECT FROM ingestion_blocks AS block
        WHERE block.job_id = stretch.job_id AND block.committed_at > stretch.claimed_at
          AND block.start_offset >= stretch.start_offset AND block.start_offset < stretch.end_offset
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

-- name: holds
SELECT EXISTS (
    SELECT FROM ingestion_jobs
    WHERE id = %(id)s AND status IN ('PROCESSING', 'UNDOING') AND lease_owner = %(owner)s
) OR EXISTS (
    SELECT FROM ingestion_ranges WHERE job_id = %(id)s AND lease_owner = %(owner)s
) OR EXISTS (
    SELECT FROM rejects_files WHERE job_id = %(id)s AND lease_owner = %(owner)s AND made_at IS NULL
) AS holds

-- name: release
UPDATE ingestion_jobs
SET lease_owner = NULL, lease_until = NULL, updated_at = now(),
    vain_attempts = CASE WHEN %(without_progress)s THEN vain_attempts ELSE greatest(vain_attempts - 1, 0) END
WHERE id = %(id)s AND lease_owner = %(owner)s

-- name: release_range
UPDATE ingestion_ranges
SET lease_owner = NULL, lease_until = NULL,
    vain_attempts = CASE WHEN %(without_progress)s THEN vain_attempts ELSE greatest(vain_attempts - 1, 0) END
WHERE job_id = %(id)s AND lease_owner = %(owner)s

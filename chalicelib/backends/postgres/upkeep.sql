-- name: take_turn
INSERT INTO sweep_tasks AS task (name, taken_at) VALUES (%(task)s, now())
ON CONFLICT (name) DO UPDATE SET taken_at = now()
WHERE task.taken_at < now() - make_interval(secs => %(seconds)s)

-- name: unknown_ids
SELECT candidate.id FROM unnest(%(ids)s::uuid[]) AS candidate (id)
WHERE NOT EXISTS (SELECT FROM ingestion_jobs AS job WHERE job.id = candidate.id)

-- name: forget_upload_tokens
-- An hour later than they expire: the clock of a process that takes one may be slow.
DELETE FROM upload_tokens WHERE expires_at < now() - interval '1 hour'

-- name: forget_audit_events
-- The role of a sweep has no right on the audit log but this function. It knows how long events are kept.
SELECT remove_audit_events(%(limit)s) AS count

-- name: take_unseen
-- Jobs whose objects have not been seen: no event came. The older a job, the less often it is looked at.
UPDATE ingestion_jobs SET looked_at = now()
WHERE id IN (
    SELECT id FROM ingestion_jobs
    WHERE status = 'PENDING' AND uploaded_at IS NULL
      AND created_at < now() - make_interval(secs => %(seconds)s)
      AND (looked_at IS NULL OR looked_at < now()
           - greatest(make_interval(secs => %(seconds)s), (looked_at - created_at) / 4))
    ORDER BY coalesce(looked_at, created_at) LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id, coalesce(upload_expires_at, created_at + interval '7 days') < now() AS overdue

-- name: expire
UPDATE ingestion_jobs SET status = %(after)s, completed_at = now(), updated_at = now()
WHERE id = %(id)s AND status = ANY(%(before)s) AND uploaded_at IS NULL

-- name: expire_previewed
UPDATE ingestion_jobs SET status = %(after)s, completed_at = now(), updated_at = now()
WHERE id IN (
    SELECT id FROM ingestion_jobs
    WHERE status = 'PREVIEWED' AND updated_at < now() - make_interval(secs => %(seconds)s)
    ORDER BY number LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id

-- name: take_silent
-- Unfinished jobs without a lease that have not moved for a while. They may just be waiting in the queue, so each is
-- requeued at longer and longer intervals.
UPDATE ingestion_jobs SET announced_at = now(), announcements = announcements + 1
WHERE id IN (
    SELECT id FROM ingestion_jobs
    WHERE (status = 'PENDING' AND uploaded_at IS NOT NULL OR status IN ('PROCESSING', 'UNDOING'))
      AND updated_at < now() - make_interval(secs => %(seconds)s)
      AND (lease_until IS NULL OR lease_until < now())
      AND NOT EXISTS (SELECT FROM ingestion_ranges WHERE job_id = id AND ingestion_ranges.lease_until > now())
      AND (announced_at IS NULL OR announced_at < now()
           - make_interval(secs => %(seconds)s * 2 ^ least(announcements, 10)))
    ORDER BY number LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id

-- name: take_old
SELECT id FROM ingestion_jobs
WHERE purged_at IS NULL AND completed_at < now() - make_interval(days => %(days)s) AND status <> 'UNDOING'
ORDER BY completed_at LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: purge_rejects
DELETE FROM validation_errors WHERE job_id = ANY(%(ids)s)

-- name: purge_warnings
-- The sums stay, as one row for each code of a job. Places and examples go.
WITH removed AS (DELETE FROM job_warnings WHERE job_id = ANY(%(ids)s) RETURNING *)
INSERT INTO job_warnings (job_id, block_no, code, count)
SELECT job_id, -1, code, sum(count) FROM removed GROUP BY job_id, code

-- name: purge_reject_counts
WITH removed AS (DELETE FROM reject_counts WHERE job_id = ANY(%(ids)s) RETURNING *)
INSERT INTO reject_counts (job_id, block_no, code, field, count)
SELECT job_id, -1, code, field, sum(count) FROM removed GROUP BY job_id, code, field

-- name: purge_previews
DELETE FROM job_previews WHERE job_id = ANY(%(ids)s)

-- name: purge_ledger
-- The sums stay, as one row per job.
WITH removed AS (DELETE FROM ingestion_blocks WHERE job_id = ANY(%(ids)s) RETURNING *)
INSERT INTO ingestion_blocks (job_id, block_no, start_offset, end_offset, source_offset,
                              records, inserted, duplicates, rejected, reject_rows, unstored, committed_at)
SELECT job_id, -1, 0, sum(end_offset - start_offset), max(source_offset),
       sum(records), sum(inserted), sum(duplicates), sum(rejected), 0, sum(unstored), max(committed_at)
FROM removed GROUP BY job_id

-- name: mark_purged
UPDATE ingestion_jobs SET purged_at = now() WHERE id = ANY(%(ids)s)

-- name: renew
UPDATE workers SET seen_at = now(), jobs = %(jobs)s WHERE name = %(name)s

-- name: register
INSERT INTO workers (name, kind, version, started_at, seen_at, interval_seconds, slots, jobs)
VALUES (%(name)s, %(kind)s, %(version)s, now() - make_interval(secs => %(age)s), now(), %(interval)s, %(slots)s, %(jobs)s)
ON CONFLICT (name) DO NOTHING

-- name: remove
DELETE FROM workers WHERE name = %(name)s

-- name: forget
DELETE FROM workers WHERE seen_at < now() - make_interval(secs => %(seconds)s)

-- name: select
SELECT *, extract(epoch FROM now() - seen_at)::float8 AS unseen_seconds
FROM workers WHERE %(before)s::bigint IS NULL OR number < %(before)s
ORDER BY number DESC LIMIT %(limit)s

-- name: has_unattended_jobs
SELECT has_unattended_jobs(%(seconds)s)

-- name: holders
-- One row for each lease on one of the jobs, or on a range of it, also one that has run out; at least one for each job.
SELECT job.id AS job_id, current_setting('transaction_read_only')::boolean AS is_read_only,
       lease.owner, lease.until, extract(epoch FROM lease.until - now())::float8 AS seconds_left,
       worker.*, extract(epoch FROM now() - worker.seen_at)::float8 AS unseen_seconds
FROM ingestion_jobs AS job
LEFT JOIN LATERAL (
    SELECT job.lease_owner AS owner, job.lease_until AS until WHERE job.lease_owner IS NOT NULL
    UNION ALL
    SELECT lease_owner, lease_until FROM ingestion_ranges WHERE job_id = job.id AND lease_owner IS NOT NULL
) AS lease ON true
LEFT JOIN workers AS worker ON worker.name = split_part(lease.owner, '/', 1)
WHERE job.id = ANY(%(ids)s)

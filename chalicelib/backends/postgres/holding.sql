-- name: wait_for_locks
SELECT set_config('lock_timeout', %s, true)

-- name: end_holders
-- Ends the transactions of blocks of the job, and whatever else has its advisory lock: see admit_block. The lock is looked
-- at in the statement that ends its holder, because the number of a process is used again. A block that waits for the
-- lock would get it before this transaction does.
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%(id)s::text, 0)
  AND (granted OR mode = 'ShareLock')

-- name: end_frozen
-- Ends transactions of Sluice that may have locked the row of a job and do nothing, such as a heartbeat's whose process
-- has been stopped.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = %(application)s AND datname = current_database() AND pid <> pg_backend_pid()
  AND state = 'idle in transaction' AND state_change < clock_timestamp() - make_interval(secs => %(idle_seconds)s)
  AND pid IN (
    SELECT pid FROM pg_locks
    WHERE locktype = 'relation' AND relation = 'ingestion_jobs'::regclass AND mode IN ('RowShareLock', 'RowExclusiveLock')
  )

-- name: may_fail
-- Only the holder of the job's lease, or of a range's, may fail the job, and only in the reading that it knows.
SELECT FROM ingestion_jobs
WHERE id = %(id)s AND status = ANY(%(before)s) AND reading_no = %(reading_no)s AND (
    lease_owner = %(owner)s
    OR EXISTS (SELECT FROM ingestion_ranges WHERE job_id = id AND ingestion_ranges.lease_owner = %(owner)s)
)

-- name: fail
UPDATE ingestion_jobs
SET status = %(after)s, completed_at = now(), updated_at = now(), lease_owner = NULL, lease_until = NULL,
    error_code = %(code)s, error_message = %(message)s, rolls_back = %(rolls_back)s,
    undone_rows = CASE WHEN %(rolls_back)s THEN 0 END,
    vain_attempts = CASE WHEN %(rolls_back)s THEN 0 ELSE vain_attempts END
WHERE id = %(id)s

-- name: tally
SELECT coalesce(sum(records), 0)::bigint AS records, coalesce(sum(inserted), 0)::bigint AS inserted,
       coalesce(sum(duplicates), 0)::bigint AS duplicates, coalesce(sum(rejected), 0)::bigint AS rejected,
       coalesce(sum(unstored), 0)::bigint AS unstored
FROM ingestion_blocks WHERE job_id = %(id)s

-- name: reject_rows
SELECT coalesce(sum(coalesce(reject_rows, rejected)), 0)::bigint AS count FROM ingestion_blocks WHERE job_id = %(id)s

-- name: counts_by_code
SELECT code, sum(count)::bigint AS count FROM reject_counts WHERE job_id = %(id)s GROUP BY code

-- name: rejects_by_code
SELECT code, sum(count)::bigint AS count FROM validation_errors WHERE job_id = %(id)s GROUP BY code

-- name: open_job
-- The job has no blocks, but may have been opened before: warnings of that detection are removed.
WITH removed AS (DELETE FROM job_warnings WHERE job_id = %(id)s)
UPDATE ingestion_jobs
SET etag = %(etag)s, size = %(size)s, version_id = %(version_id)s, checksum = %(checksum)s,
    detected = %(detected)s, block_size = %(block_size)s, text_size = %(text_size)s,
    planned_block_size = coalesce(planned_block_size, block_size), uploaded_at = coalesce(uploaded_at, now()), updated_at = now()
WHERE id = %(id)s

-- name: pin
UPDATE ingestion_jobs
SET etag = %(etag)s, size = %(size)s, version_id = %(version_id)s, checksum = %(checksum)s,
    uploaded_at = coalesce(uploaded_at, now())
WHERE id = %(id)s

-- name: same_content
-- The first job that loaded the same bytes in the same way, by the rules of today. It cannot be undone until this
-- transaction ends. A dialect that was stored without rules has the first ones. How a file of rejects is read depends on its
-- parent, too, which may have been read in another way meanwhile: it is loaded again, and its rows are there already.
SELECT other.id
FROM ingestion_jobs AS job JOIN ingestion_jobs AS other ON
    other.dataset_id = job.dataset_id AND other.checksum = %(checksum)s AND other.size = %(size)s
    AND other.options = job.options AND other.format IS NOT DISTINCT FROM job.format
    AND other.metadata IS NOT DISTINCT FROM job.metadata
    AND coalesce(other.parent_job, job.parent_job) IS NULL AND other.status = 'COMPLETED'
    AND NOT coalesce((other.detected->>'escaped')::boolean, false)
    AND other.duplicate_of IS NULL AND other.id <> job.id
    AND coalesce((other.detected->>'rules')::integer, 1) = %(rules)s
WHERE job.id = %(id)s AND NOT job.force
  AND NOT EXISTS (SELECT FROM erasure_jobs WHERE job_id = other.id AND holds)  -- some of its rows are gone
ORDER BY other.number LIMIT 1
FOR SHARE OF other

-- name: rows_inserted
SELECT coalesce(sum(inserted), 0)::bigint AS count FROM ingestion_blocks WHERE job_id = %(id)s

-- name: copy_ledger
-- As if the file had been loaded again: all of its rows exist already.
INSERT INTO ingestion_blocks (job_id, block_no, start_offset, end_offset, source_offset, lines, sheet_rows,
                              records, inserted, duplicates, rejected, reject_rows, unstored)
SELECT %(id)s, block_no, start_offset, end_offset, source_offset, lines, sheet_rows,
       records, 0, inserted + duplicates, rejected, 0, unstored
FROM ingestion_blocks WHERE job_id = %(duplicate_of)s

-- name: measure
UPDATE ingestion_jobs SET text_size = %(size)s
WHERE id = %(id)s AND text_size IS NULL AND etag = %(etag)s AND reading_no = %(reading_no)s

-- name: gaps
-- A gap is where a block does not begin at the end of the previous one, and at the end of the text if its size is known.
SELECT gap_start, gap_end
FROM (
    SELECT coalesce(lag(end_offset) OVER (ORDER BY start_offset NULLS LAST), 0) AS gap_start,
           start_offset AS gap_end
    FROM (
        SELECT start_offset, end_offset FROM ingestion_blocks WHERE job_id = %(id)s
        UNION ALL SELECT %(total)s::bigint, %(total)s::bigint
    ) AS block
) AS step
WHERE gap_start IS DISTINCT FROM gap_end
ORDER BY gap_start

-- name: rejects_kept
SELECT count(*) AS kept_rows, coalesce(sum(count), 0)::bigint AS kept_records FROM validation_errors
WHERE job_id = %(id)s

-- name: rejects_counted
SELECT coalesce(sum(coalesce(reject_rows, rejected)), 0)::bigint AS counted_rows,
       coalesce(sum(rejected - unstored), 0)::bigint AS counted_records
FROM ingestion_blocks WHERE job_id = %(id)s

-- name: account
-- All that the completion of a job is decided by, in one request: made of the statements above. Without gaps, `gap_start`
-- and `gap_end` are null.
SELECT * FROM ({tally}) AS tally CROSS JOIN ({kept}) AS kept CROSS JOIN ({counted}) AS counted
LEFT JOIN ({gaps} LIMIT 1) AS gap ON true

-- name: complete
WITH removed AS (DELETE FROM ingestion_ranges WHERE job_id = %(id)s)
UPDATE ingestion_jobs
SET status = %(after)s, completed_at = now(), updated_at = now(), lease_owner = NULL, lease_until = NULL,
    duplicate_of = %(duplicate_of)s
WHERE id = %(id)s

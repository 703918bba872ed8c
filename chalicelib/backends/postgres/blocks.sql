-- name: admit_block
-- A transaction that ends the job waits until this one commits, and later blocks wait for it in turn. A lock on the
-- job's row would not do: transactions that share it overtake those that wait for it.
SELECT pg_advisory_xact_lock_shared(hashtextextended(%(job_id)s::text, 0))

-- name: insert_block
-- Inserts nothing if the job has ended, or was reopened with another object or in another way. `erasures`: so many of the
-- dataset are known; Postgres refuses the block if there are more (see heed_erasures).
INSERT INTO ingestion_blocks
    (job_id, block_no, start_offset, end_offset, source_offset, lines, sheet_rows, records, inserted, duplicates, rejected,
     reject_rows, unstored)
SELECT id, %(no)s, %(start)s, %(end)s, %(source_offset)s, %(lines)s, %(sheet_rows)s,
       %(records)s, %(inserted)s, %(duplicates)s, %(rejected)s, %(reject_rows)s, %(unstored)s
FROM ingestion_jobs, set_config('sluice.erasures', %(erasures)s, true)
WHERE id = %(job_id)s AND status = 'PROCESSING' AND etag = %(etag)s
  AND reading_no = %(reading_no)s

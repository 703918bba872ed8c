-- name: read_in_order
-- Without statistics, Postgres would read and sort the rejects of all of these jobs, and compile the plan for that.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_sort', 'off', true), set_config('jit', 'off', true)

-- name: window
-- The jobs that a page looks at. They are counted before any filter, so that it costs the same whatever is asked for.
-- Compared as pairs, here and below, because that leaves the index on both columns only: by that on the number, Postgres
-- might go through the jobs of all datasets.
SELECT max(number) AS first, min(number) AS last, count(*) AS jobs, min(created_at) AS oldest
FROM (
    SELECT number, created_at FROM ingestion_jobs
    WHERE (dataset_id, number) >= (%(dataset_id)s, 0) AND (dataset_id, number) <= (%(dataset_id)s, %(number)s::bigint)
    ORDER BY dataset_id DESC, number DESC
    LIMIT %(jobs)s
) AS job

-- name: walk
-- Goes through the rejects of these jobs, as many as `most`, and picks those that are wanted. Postgres stops when it has
-- enough of them: it sorts nothing but the rejects of one job at a time, which come in order. The last one that it may
-- look at is returned, too, wanted or not: the next page begins behind it.
SELECT * FROM (
    SELECT reject.*,
           (%(code)s::text IS NULL OR code = %(code)s) AND (%(field)s::text IS NULL OR field = %(field)s) AS is_wanted,
           row_number() OVER (ORDER BY dataset_id DESC, number DESC, block_no, ordinal) = %(most)s AS is_last
    FROM (
        SELECT job.dataset_id, job.number, job.id AS job_id, job.filename, own.*
        FROM ingestion_jobs AS job CROSS JOIN LATERAL (
            SELECT block_no, record AS ordinal, line, sheet_row, byte_offset, field, code, message, raw, count
            FROM validation_errors
            WHERE job_id = job.id
              AND (block_no, record) >= (CASE WHEN job.number = %(number)s THEN %(block_no)s::bigint ELSE 0 END,
                                         CASE WHEN job.number = %(number)s THEN %(record)s::bigint ELSE 0 END)
            ORDER BY block_no, record
            LIMIT %(most)s
        ) AS own
        WHERE (job.dataset_id, job.number) >= (%(dataset_id)s, %(last)s::bigint)
          AND (job.dataset_id, job.number) <= (%(dataset_id)s, %(first)s::bigint)
          AND (%(since)s::timestamptz IS NULL OR job.created_at >= %(since)s)
          AND (%(until)s::timestamptz IS NULL OR job.created_at < %(until)s)
          AND

-- name: walked
        ORDER BY job.dataset_id DESC, job.number DESC, own.block_no, own.ordinal
        LIMIT %(most)s
    ) AS reject
) AS seen
WHERE is_wanted OR is_last
ORDER BY dataset_id DESC, number DESC, block_no, ordinal
LIMIT %(limit)s

-- name: join_by_hash
-- Otherwise Postgres may look for each block in a list.
SELECT set_config('enable_nestloop', 'off', true)

-- name: blocks
-- The blocks of some jobs, each with the numbers of records, lines and sheet rows before it, as far as they are known.
WITH shown AS MATERIALIZED (
    SELECT job_id, block_no FROM unnest(%(job_ids)s::uuid[], %(blocks)s::bigint[]) AS it (job_id, block_no)
), numbered AS (
    SELECT job.job_id, before.*
    FROM (SELECT job_id, max(block_no) AS last FROM shown GROUP BY job_id) AS job
    CROSS JOIN LATERAL numbered_blocks(job.job_id, job.last) AS before
)
SELECT job_id, block_no, records_before, lines_before, sheet_rows_before
FROM numbered JOIN shown USING (job_id, block_no)

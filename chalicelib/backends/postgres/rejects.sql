-- name: stage_rejects
-- Postgres refuses COPY to a table with row-level security.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_rejects
    (job_id uuid, block_no bigint, record bigint, byte_offset bigint, field text, code text, message text, raw text,
     line bigint, sheet_row bigint, count bigint)
ON COMMIT DELETE ROWS

-- name: copy_rejects
COPY staged_rejects (job_id, block_no, record, byte_offset, field, code, message, raw, line, sheet_row, count) FROM STDIN

-- name: store_rejects
INSERT INTO validation_errors (job_id, block_no, record, byte_offset, field, code, message, raw, line, sheet_row, count)
SELECT job_id, block_no, record, byte_offset, field, code, message, raw, line, sheet_row, count FROM staged_rejects

-- name: wait_for_rejects
-- Of the blocks of a job that have rejects, one at a time is committed from here on, so that none sees too few of them. A
-- block may have as many rejects as take minutes.
SELECT set_config('lock_timeout', '5min', true), pg_advisory_xact_lock(hashtextextended(%(job_id)s::text, 1))

-- name: reject_rows
SELECT coalesce(sum(coalesce(reject_rows, rejected)), 0)::bigint AS count FROM ingestion_blocks WHERE job_id = %(job_id)s

-- name: add_count
INSERT INTO reject_counts (job_id, block_no, code, field, count, record, line, sheet_row, byte_offset)
VALUES (%(job_id)s, %(block_no)s, %(code)s, %(field)s, %(count)s, %(record)s, %(line)s, %(sheet_row)s, %(offset)s)
ON CONFLICT (job_id, block_no, code, field) DO UPDATE SET  -- left by an undo of an earlier version
    count = excluded.count, record = excluded.record, line = excluded.line, sheet_row = excluded.sheet_row,
    byte_offset = excluded.byte_offset

-- name: remove_counts
DELETE FROM reject_counts WHERE job_id = %(job_id)s

-- name: read_in_order
-- Postgres has no statistics of a job that has just been loaded: it would read and sort all of its rejects, and look for
-- the block of each in a list.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_sort', 'off', true), set_config('enable_nestloop', 'off', true)

-- name: select_rejects
-- The page comes first, by the primary key: so it costs as much as it has rejects, wherever it lies. A record's number is
-- known once every block before its own is in the ledger. The rejects of a duplicate file are those of the job that loaded it.
WITH loader AS (
    SELECT coalesce(duplicate_of, id) AS job_id FROM ingestion_jobs WHERE id = %(id)s
), page AS MATERIALIZED (
    SELECT block_no, record, line, sheet_row, byte_offset, field, code, message, raw, count
    FROM validation_errors
    WHERE job_id = (SELECT job_id FROM loader) AND (block_no, record) > (%(after_block)s, %(after_record)s)
    ORDER BY block_no, record
    LIMIT %(limit)s
), block AS MATERIALIZED (
    SELECT block_no, records_before, lines_before, sheet_rows_before
    FROM loader CROSS JOIN (SELECT coalesce(max(block_no), -1) AS block FROM page) AS last
    CROSS JOIN LATERAL numbered_blocks(loader.job_id, last.block)
)
SELECT block_no, page.record AS ordinal, byte_offset, field, code, message, raw, page.count,
       records_before + page.record + 1 AS record,
       lines_before + page.line + 1 AS line,
       sheet_rows_before + page.sheet_row + 1 AS sheet_row
FROM page JOIN block USING (block_no)
ORDER BY block_no, ordinal

-- name: select_counts
-- One row for each code and field, the most frequent first, with the first place. Places count from 1 in the file, once
-- every earlier block is in the ledger.
SELECT kind.code, nullif(kind.field, '') AS field, kind.count, first.byte_offset,
       error.message, error.count AS alike,
       before.records_before + first.record + 1 AS record,
       before.lines_before + first.line + 1 AS line,
       before.sheet_rows_before + first.sheet_row + 1 AS sheet_row
FROM (
    SELECT code, field, min(block_no) AS block_no, sum(count)::bigint AS count
    FROM reject_counts WHERE job_id = %(job_id)s
    GROUP BY code, field ORDER BY sum(count) DESC, code, field LIMIT %(limit)s
) AS kind
JOIN reject_counts AS first USING (block_no, code, field)
LEFT JOIN numbered_blocks(%(job_id)s, NULL) AS before USING (block_no)
LEFT JOIN validation_errors AS error
    ON error.job_id = first.job_id AND error.block_no = first.block_no AND error.record = first.record
WHERE first.job_id = %(job_id)s
ORDER BY kind.count DESC, kind.code, kind.field

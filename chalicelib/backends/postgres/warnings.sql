-- name: add
INSERT INTO job_warnings (job_id, block_no, code, count, record, line, byte_offset, example)
VALUES (%(job_id)s, %(block_no)s, %(code)s, %(count)s, %(record)s, %(line)s, %(offset)s, %(example)s)

-- name: remove
DELETE FROM job_warnings WHERE job_id = %(job_id)s

-- name: select
-- One row for each job and code, at its first place, in file order of the places. Records and lines count from 1 in the
-- file, once every earlier block is in the ledger.
SELECT job_id, code, kind.count, byte_offset, example,
       CASE WHEN before.is_whole THEN before.records + record + 1 END AS record,
       CASE WHEN before.is_whole AND before.has_lines THEN before.lines + line + 1 END AS line
FROM (
    SELECT job_id, code, min(block_no) AS block_no, sum(count)::bigint AS count
    FROM job_warnings WHERE job_id = ANY(%(job_ids)s) GROUP BY job_id, code
) AS kind
JOIN job_warnings AS first USING (job_id, block_no, code)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(end_offset - start_offset) = max(end_offset), true) AS is_whole,
           count(*) = count(lines) AS has_lines,
           coalesce(sum(records) FILTER (WHERE block_no < first.block_no), 0)::bigint AS records,
           coalesce(sum(lines) FILTER (WHERE block_no < first.block_no), 0)::bigint AS lines
    FROM ingestion_blocks WHERE job_id = first.job_id AND block_no <= first.block_no
) AS before
ORDER BY byte_offset, code

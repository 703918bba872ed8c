-- The blocks of a job, up to one of them or all (NULL), with the numbers of records, lines and sheet rows before each. These
-- are NULL while the ledger does not have all of the text before the block, and where an earlier version did not count them.
-- Postgres puts the body into the query that calls it, if the arguments are columns or parameters.
CREATE FUNCTION numbered_blocks(job uuid, up_to bigint)
RETURNS TABLE (block_no bigint, start_offset bigint, end_offset bigint, rejected bigint,
               records_before bigint, lines_before bigint, sheet_rows_before bigint)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT it.block_no, it.start_offset, it.end_offset, it.rejected,
           CASE WHEN it.is_next THEN it.records END,
           CASE WHEN it.is_next THEN it.lines END,
           CASE WHEN it.is_next THEN it.sheet_rows END
    FROM (
        SELECT block.block_no, block.start_offset, block.end_offset, block.rejected,
               coalesce(sum(block.end_offset - block.start_offset) OVER before, 0) = block.start_offset AS is_next,
               coalesce(sum(block.records) OVER before, 0)::bigint AS records,
               CASE WHEN count(*) OVER before = count(block.lines) OVER before
                    THEN coalesce(sum(block.lines) OVER before, 0)::bigint END AS lines,
               CASE WHEN count(*) OVER before = count(block.sheet_rows) OVER before
                    THEN coalesce(sum(block.sheet_rows) OVER before, 0)::bigint END AS sheet_rows
        FROM ingestion_blocks AS block
        WHERE block.job_id = job AND block.block_no <= coalesce(up_to, 9223372036854775807)
        WINDOW before AS (ORDER BY block.block_no ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS it
$$;

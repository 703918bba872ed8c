-- The counts of rejects that workers of an earlier version have stored. No table is locked meanwhile.
INSERT INTO reject_counts (job_id, block_no, code, field, count, record, byte_offset)
SELECT job_id, block_no, code, coalesce(field, ''), count(*), min(record), min(byte_offset)
FROM validation_errors GROUP BY job_id, block_no, code, coalesce(field, '')
ON CONFLICT DO NOTHING;

-- name: split_to
-- Only from the offset that the worker knows: a worker that was overtaken stops.
UPDATE ingestion_jobs SET shared_to = coalesce(%(to)s, size)
WHERE id = %(id)s AND status = 'PROCESSING' AND etag = %(etag)s AND reading_no = %(reading_no)s
  AND shared_to IS NOT DISTINCT FROM %(since)s

-- name: add_range
INSERT INTO ingestion_ranges (job_id, start_offset, end_offset) VALUES (%(id)s, %(start)s, %(end)s)

-- name: remove_range
-- Not a range of a later reading that happens to begin there.
DELETE FROM ingestion_ranges WHERE job_id = %(id)s AND start_offset = %(start)s
  AND EXISTS (SELECT FROM ingestion_jobs WHERE id = %(id)s AND reading_no = %(reading_no)s)

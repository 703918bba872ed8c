-- name: copy_rows
COPY ingested_data (first_job, last_job, dataset_id, content_hash, record) FROM STDIN (FORMAT binary)

-- name: use_indexes
-- Each hash is looked up in the index. Without statistics of the table, or with old ones, Postgres may assume that it
-- holds little, and compare all of its rows with all hashes: that takes hours. With these settings off, and the dataset
-- as a column of the subquery (OFFSET 0 keeps it one), starting with the table pays for tiny tables only.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)

-- name: mark_existing
-- Marks this job as the last one of the existing rows of other jobs. `hashes`: 32 bytes each, concatenated. Returns
-- how many were marked, and their positions in the list unless all of them were.
WITH marked AS (
    UPDATE ingested_data AS old SET last_job = %(job)s
    FROM (
        SELECT position, %(dataset)s::integer AS dataset_id,
               substr(%(hashes)b::bytea, 32 * position + 1, 32) AS content_hash
        FROM generate_series(0, %(count)s::integer - 1) AS position OFFSET 0
    ) AS incoming
    WHERE old.dataset_id = incoming.dataset_id AND old.content_hash = incoming.content_hash
      AND old.first_job <> %(job)s
    RETURNING position
)
SELECT count(*) AS count, CASE WHEN count(*) < %(count)s THEN array_agg(position) END AS positions FROM marked

-- name: find_existing
-- Returns the same for the hashes of existing rows of any job.
SELECT count(*) AS count, CASE WHEN count(*) < %(count)s THEN array_agg(position) END AS positions
FROM generate_series(0, %(count)s::integer - 1) AS position
WHERE EXISTS (
    SELECT FROM ingested_data
    WHERE dataset_id = %(dataset)s AND content_hash = substr(%(hashes)b::bytea, 32 * position + 1, 32) OFFSET 0
)

-- name: upsert_few
-- As upsert_staged does, of rows that are sent with the statement. `hashes`: 32 bytes each, concatenated; `records`: a line
-- each, since canonical JSON holds no line feed.
WITH written AS (
    INSERT INTO ingested_data AS old (first_job, last_job, dataset_id, content_hash, record)
    SELECT %(job)s, %(job)s, %(dataset)s, substr(%(hashes)b::bytea, 32 * position::integer - 31, 32), record::jsonb
    FROM unnest(string_to_array(%(records)s, E'\n')) WITH ORDINALITY AS incoming (record, position) ORDER BY position
    ON CONFLICT (dataset_id, content_hash) DO UPDATE SET last_job = excluded.last_job
    WHERE old.first_job <> excluded.first_job
    RETURNING old.first_job = old.last_job AS inserted
)
SELECT count(*) FILTER (WHERE inserted) FROM written

-- name: stage
CREATE TEMPORARY TABLE IF NOT EXISTS staged_rows
    (first_job bigint, last_job bigint, dataset_id integer, content_hash bytea, record jsonb)
ON COMMIT DELETE ROWS

-- name: copy_staged
COPY staged_rows (first_job, last_job, dataset_id, content_hash, record) FROM STDIN (FORMAT binary)

-- name: upsert_staged
-- Only a row that this statement inserted has this job as first and last: a job that meets its own row again does not
-- change it, and so does not hide that another job brought it too (see undo). xmax would show it, too, but partitioned
-- tables do not return it.
WITH written AS (
    INSERT INTO ingested_data AS old (first_job, last_job, dataset_id, content_hash, record)
    SELECT first_job, last_job, dataset_id, content_hash, record
    FROM staged_rows ORDER BY content_hash
    ON CONFLICT (dataset_id, content_hash) DO UPDATE SET last_job = excluded.last_job
    WHERE old.first_job <> excluded.first_job
    RETURNING old.first_job = old.last_job AS inserted
)
SELECT count(*) FILTER (WHERE inserted) FROM written

-- name: count_rows
SELECT count(*) AS count FROM ingested_data WHERE dataset_id = %(dataset_id)s AND first_job = %(number)s

-- name: pages
-- The pages of the table that hold the job's own rows. They lie together, in the order of loading.
SELECT (min(ctid)::text::point)[0]::bigint AS first, (max(ctid)::text::point)[0]::bigint AS last
FROM ingested_data
WHERE dataset_id = %(dataset_id)s AND first_job = %(number)s AND last_job = %(number)s

-- name: remove_rows
-- Locks rows in the order of their hashes, as every writer does. A row that another job brings meanwhile no longer
-- matches. By ctid, because right after a load Postgres may have no statistics of the table yet.
DELETE FROM ingested_data
WHERE first_job = %(number)s AND last_job = %(number)s AND ctid = ANY (ARRAY(
    SELECT ctid FROM ingested_data
    WHERE ctid >= %(start)s::tid AND ctid < %(stop)s::tid
      AND dataset_id = %(dataset_id)s AND first_job = %(number)s AND last_job = %(number)s
    ORDER BY content_hash
    FOR UPDATE
))

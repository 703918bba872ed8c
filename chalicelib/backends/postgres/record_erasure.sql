-- name: count_erasure
-- Locks the dataset's row: of two erasures at once both are counted, and both have its salt.
UPDATE tenant_datasets AS own
SET erasures = erasures + 1, erasure_salt = coalesce(erasure_salt, %(salt)s)
FROM datasets
WHERE datasets.name = %(dataset)s AND datasets.id = own.dataset_id AND own.tenant_id = %(tenant_id)s
RETURNING own.id, own.erasure_salt,
          (SELECT count(*) FROM erasures WHERE dataset_id = own.id AND completed_at IS NULL) AS open

-- name: begin
INSERT INTO erasures (id, tenant_id, dataset_id, field, hashes, sizes, words_hash, words)
VALUES (%(id)s, %(tenant_id)s, %(dataset_id)s, %(field)s, %(hashes)s, %(sizes)s, %(words_hash)s, %(words)s)

-- name: show
SELECT erasure.id, datasets.name AS dataset, erasure.field, erasure.created_at, erasure.completed_at, erasure.rows,
       erasure.rejects, erasure.objects, waiting.count AS waiting, waiting.jobs AS waits_for
FROM erasures AS erasure
JOIN tenant_datasets AS own ON own.id = erasure.dataset_id
JOIN datasets ON datasets.id = own.dataset_id
CROSS JOIN LATERAL (
    SELECT count(*), coalesce((array_agg(job.id ORDER BY job.number))[:%(limit)s], '{}') AS jobs
    FROM erasure_jobs AS listed JOIN ingestion_jobs AS job ON job.id = listed.job_id
    WHERE listed.erasure = erasure.number AND listed.examined_at IS NULL
      AND (job.status IN ('PROCESSING', 'PREVIEWED', 'UNDOING') OR job.status = 'PENDING' AND job.uploaded_at IS NOT NULL)
) AS waiting
WHERE erasure.id = %(id)s AND datasets.name = %(dataset)s AND own.tenant_id = %(tenant_id)s

-- name: running
-- One of each tenant, then another of each: the erasure that has waited longest first.
SELECT id FROM (
    SELECT id, worked_at, number,
           row_number() OVER (PARTITION BY tenant_id ORDER BY worked_at NULLS FIRST, number) AS turn
    FROM erasures WHERE completed_at IS NULL
) AS it
ORDER BY turn, worked_at NULLS FIRST, number LIMIT %(limit)s

-- name: look
UPDATE erasures AS erasure SET worked_at = now()
FROM tenant_datasets AS own
WHERE erasure.id = %(id)s AND completed_at IS NULL AND own.id = erasure.dataset_id
RETURNING erasure.number, erasure.tenant_id, erasure.dataset_id, erasure.field, erasure.hashes, erasure.sizes, erasure.words_hash,
          erasure.words, erasure.fenced_at, erasure.after_hash, erasure.rows_done_at, own.erasure_salt

-- name: wait_for_blocks
-- Waits for blocks of the dataset that are being committed, which may not know the erasure: see heed_erasures(). Later ones
-- wait for it in turn, so not for long.
SELECT set_config('lock_timeout', '2s', true), pg_advisory_xact_lock(25, %(dataset_id)s)

-- name: fence
UPDATE erasures SET fenced_at = now() WHERE number = %(erasure)s AND fenced_at IS NULL

-- name: list_jobs
-- Jobs that are registered later load their files with the hashes.
INSERT INTO erasure_jobs (erasure, job_id)
SELECT %(erasure)s, id FROM ingestion_jobs WHERE tenant_id = %(tenant_id)s AND dataset_id = %(dataset_id)s
ON CONFLICT DO NOTHING

-- name: page
-- The rows of a page that hold the value, and the last hash of the page; NULL behind the last row. Compares HMAC-SHA-256
-- (RFC 2104) of the field with the value of each row, as core/erased_values.py computes it.
WITH page AS MATERIALIZED (
    SELECT content_hash, record ->> %(field)s::text AS value
    FROM ingested_data WHERE dataset_id = %(dataset_id)s AND content_hash > %(after)s
    ORDER BY content_hash LIMIT %(limit)s
)
SELECT (SELECT content_hash FROM page ORDER BY content_hash DESC LIMIT 1) AS last,
       ARRAY(
           SELECT content_hash FROM page
           WHERE sha256(%(outer)s || sha256(%(inner)s || convert_to(%(field)s::text || chr(1) || value, 'UTF8'))) = ANY(%(hashes)s)
       ) AS found

-- name: lock_rows
-- In the order of their hashes, as every writer does. A row that another job brings meanwhile is still to go.
SELECT first_job, last_job FROM ingested_data
WHERE dataset_id = %(dataset_id)s AND content_hash = ANY(%(found)s) ORDER BY content_hash FOR UPDATE

-- name: remove_rows
DELETE FROM ingested_data WHERE dataset_id = %(dataset_id)s AND content_hash = ANY(%(found)s)

-- name: mark_jobs
UPDATE erasure_jobs SET holds = true
WHERE erasure = %(erasure)s AND NOT holds AND job_id IN (SELECT id FROM ingestion_jobs WHERE number = ANY(%(numbers)s))

-- name: note_rows
UPDATE erasures
SET after_hash = %(last)s, rows = rows + %(count)s, is_shared = is_shared OR %(is_shared)s
WHERE number = %(erasure)s

-- name: rows_done
UPDATE erasures SET rows_done_at = now() WHERE number = %(erasure)s

-- name: next_jobs
-- Jobs that have ended, and those that wait for their files, which come later than the erasure. The job whose rows a
-- duplicate counts on has a lower number, so it comes first.
SELECT job.id FROM erasure_jobs AS listed JOIN ingestion_jobs AS job ON job.id = listed.job_id
WHERE listed.erasure = %(erasure)s AND listed.examined_at IS NULL
  AND (job.status NOT IN ('PENDING', 'PROCESSING', 'PREVIEWED', 'UNDOING') OR job.status = 'PENDING' AND job.uploaded_at IS NULL)
ORDER BY job.number LIMIT %(limit)s

-- name: rejects
SELECT reject.block_no, reject.record, reject.message, reject.raw, coalesce(job.detected ->> 'encoding', 'utf-8') AS encoding
FROM erasure_jobs AS listed
JOIN validation_errors AS reject ON reject.job_id = listed.job_id
JOIN ingestion_jobs AS job ON job.id = listed.job_id
WHERE listed.erasure = %(erasure)s AND listed.job_id = %(job_id)s
  AND (reject.block_no, reject.record) > (listed.after_block, listed.after_record)
ORDER BY reject.block_no, reject.record LIMIT %(limit)s

-- name: empty_reject
UPDATE validation_errors SET code = %(code)s, message = %(told)s, field = NULL, raw = ''
WHERE job_id = %(job_id)s AND block_no = %(block_no)s AND record = %(record)s

-- name: note_rejects
UPDATE erasure_jobs SET after_block = %(block_no)s, after_record = %(record)s, holds = holds OR %(count)s > 0
WHERE erasure = %(erasure)s AND job_id = %(job_id)s

-- name: count_rejects
UPDATE erasures SET rejects = rejects + %(count)s WHERE number = %(erasure)s

-- name: texts
-- What else may show cells: examples of warnings, a preview, the message of an error. In Postgres alone.
SELECT 'warning' AS kind, block_no, code, example AS text FROM job_warnings WHERE job_id = %(job_id)s AND example IS NOT NULL
UNION ALL
SELECT 'preview', NULL, NULL, piece::text
FROM job_previews, jsonb_array_elements((document -> 'records') || (document -> 'rejects') || (document -> 'warnings')) AS piece
WHERE job_id = %(job_id)s
UNION ALL SELECT 'error', NULL, NULL, error_message FROM ingestion_jobs WHERE id = %(job_id)s AND error_message IS NOT NULL

-- name: empty_warning
UPDATE job_warnings SET example = NULL WHERE job_id = %(job_id)s AND block_no = %(block_no)s AND code = %(code)s

-- name: empty_preview
DELETE FROM job_previews WHERE job_id = %(job_id)s

-- name: empty_error
UPDATE ingestion_jobs SET error_message = %(told)s WHERE id = %(job_id)s

-- name: judge
-- The job is examined. An object that came later than the erasure stays, as one does that is still to come. Another one holds
-- the value, or may, unless all of its records are known to be free of it: they became rows, none of which it was, or rejects
-- that are stored whole. If another job brought a row that is gone, and then a third one, which are between them is not known.
-- Once another erasure has removed the object, and no URL to write another one was left, only what Postgres has matters.
UPDATE erasure_jobs AS listed
SET examined_at = now(),
    holds = coalesce(job.uploaded_at <= erasure.fenced_at, job.status <> 'PENDING') AND (
        listed.holds OR %(is_found)s OR NOT EXISTS (
            SELECT FROM erasure_jobs AS earlier JOIN erasures AS its ON its.number = earlier.erasure
            WHERE earlier.job_id = job.id AND earlier.removed_at IS NOT NULL AND its.completed_at IS NOT NULL
              AND its.fenced_at > job.created_at + make_interval(secs => %(writable)s)
        ) AND (
            job.status <> 'COMPLETED'
            OR EXISTS (
                SELECT FROM ingestion_blocks AS block
                WHERE block.job_id = job.id
                  AND (erasure.is_shared AND block.duplicates > 0 OR block.unstored > 0 OR job.purged_at IS NOT NULL AND block.rejected > 0)
            )
            OR EXISTS (SELECT FROM validation_errors AS reject WHERE reject.job_id = job.id AND reject.raw LIKE '%% …')
            OR EXISTS (SELECT FROM reject_counts AS kind WHERE kind.job_id = job.id AND kind.code = %(code)s)
            OR EXISTS (
                SELECT FROM erasure_jobs AS original
                WHERE original.erasure = listed.erasure AND original.job_id = job.duplicate_of AND original.holds
            )
        )
    )
FROM ingestion_jobs AS job, erasures AS erasure
WHERE listed.erasure = %(erasure)s AND listed.job_id = %(job_id)s AND job.id = listed.job_id AND erasure.number = listed.erasure
RETURNING listed.holds

-- name: objects
-- Of jobs that have ended: one whose rows are being undone is waited for. From its examination on, a job is not read again.
-- Several jobs may have read versions of one key: those of the others stay.
SELECT job.id, job.key, coalesce(job.version_id, 'null') AS version_id, job.etag, tenants.name AS tenant, erasure.fenced_at,
       file.key AS rejects_key,  -- made since the examination, which withdrew the one before
       ARRAY(
           SELECT ARRAY[coalesce(other.version_id, 'null'), other.etag] FROM ingestion_jobs AS other
           WHERE other.tenant_id = job.tenant_id AND other.dataset_id = job.dataset_id AND other.key = job.key
             AND other.etag IS NOT NULL
             AND NOT EXISTS (SELECT FROM erasure_jobs AS its WHERE its.erasure = listed.erasure AND its.job_id = other.id AND its.holds)
       ) AS kept
FROM erasures AS erasure
JOIN erasure_jobs AS listed ON listed.erasure = erasure.number
JOIN ingestion_jobs AS job ON job.id = listed.job_id
JOIN tenants ON tenants.id = job.tenant_id
LEFT JOIN rejects_files AS file ON file.job_id = job.id
WHERE erasure.id = %(id)s AND listed.holds AND listed.examined_at IS NOT NULL
  AND job.status NOT IN ('PENDING', 'PROCESSING', 'PREVIEWED', 'UNDOING')
  AND (listed.removed_at IS NULL
       OR listed.removed_at < listed.examined_at + make_interval(secs => %(settled)s)
          AND now() >= listed.examined_at + make_interval(secs => %(settled)s))
  AND NOT EXISTS (  -- a job that is about to read whichever version is there
      SELECT FROM ingestion_jobs AS other
      WHERE other.tenant_id = job.tenant_id AND other.dataset_id = job.dataset_id AND other.key = job.key
        AND other.etag IS NULL AND other.uploaded_at IS NOT NULL AND other.status IN ('PENDING', 'PROCESSING')
  )
ORDER BY job.number LIMIT %(limit)s

-- name: removed
UPDATE erasure_jobs SET removed_at = now()
WHERE job_id = %(job_id)s AND erasure = (SELECT number FROM erasures WHERE id = %(id)s)

-- name: count_objects
UPDATE erasures SET objects = objects + %(count)s WHERE id = %(id)s

-- name: finish
UPDATE erasures AS erasure SET completed_at = now()
WHERE id = %(id)s AND completed_at IS NULL AND rows_done_at IS NOT NULL
  AND NOT EXISTS (
    SELECT FROM erasure_jobs
    WHERE erasure = erasure.number
      AND (examined_at IS NULL
           OR holds AND (removed_at IS NULL OR removed_at < examined_at + make_interval(secs => %(settled)s)))
  )
RETURNING number

-- name: forget_jobs
DELETE FROM erasure_jobs WHERE erasure = %(erasure)s AND NOT holds

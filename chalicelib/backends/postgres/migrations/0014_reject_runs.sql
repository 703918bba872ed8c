-- A reject may stand for several records that follow each other and are alike.
ALTER TABLE validation_errors ADD COLUMN count bigint NOT NULL DEFAULT 1;
-- How many rejects of a block are stored, and how many records were rejected beyond those, because the job has as many
-- rejects as are stored for one. NULL in blocks of an earlier version: each record that was rejected has its reject.
ALTER TABLE ingestion_blocks
    ADD COLUMN reject_rows bigint,
    ADD COLUMN unstored bigint NOT NULL DEFAULT 0;
-- What becomes of a job with more rejects than are stored. One that is there already goes on.
ALTER TABLE ingestion_jobs
    ADD COLUMN rejects_beyond_limit text NOT NULL DEFAULT 'count' CHECK (rejects_beyond_limit IN ('fail', 'count'));
ALTER TABLE ingestion_jobs ALTER COLUMN rejects_beyond_limit SET DEFAULT 'fail';

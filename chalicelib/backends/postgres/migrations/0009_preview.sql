-- A job can show how its file would be loaded, and wait for its client before it loads it.
ALTER TABLE ingestion_jobs
    ADD COLUMN preview boolean NOT NULL DEFAULT false,  -- make a preview, and do not load
    DROP CONSTRAINT known_status,
    DROP CONSTRAINT success_has_no_error,
    DROP CONSTRAINT ended_when_it_ended,
    ADD CONSTRAINT known_status CHECK (status IN
        ('PENDING', 'PROCESSING', 'PREVIEWED', 'COMPLETED', 'FAILED', 'CANCELED', 'EXPIRED', 'UNDOING', 'UNDONE')),
    ADD CONSTRAINT success_has_no_error CHECK
        (status NOT IN ('PENDING', 'PROCESSING', 'PREVIEWED', 'COMPLETED') OR error_code IS NULL),
    ADD CONSTRAINT ended_when_it_ended CHECK
        ((status IN ('PENDING', 'PROCESSING', 'PREVIEWED')) = (completed_at IS NULL)),
    ADD CONSTRAINT previewed_is_to_preview CHECK (status <> 'PREVIEWED' OR preview);
-- The preview of a job's reading; it goes with the reading, and with the rows when the job is undone. In a table of its
-- own: lists of jobs do not read it.
CREATE TABLE job_previews (
    job_id    uuid PRIMARY KEY REFERENCES ingestion_jobs,
    document  jsonb NOT NULL
);

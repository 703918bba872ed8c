-- A job can be canceled, undone, expire, or be answered by an earlier job with the same file.
ALTER TABLE ingestion_jobs
    DROP CONSTRAINT ingestion_jobs_status_check,
    DROP CONSTRAINT ingestion_jobs_check,
    DROP CONSTRAINT ingestion_jobs_check1,
    ADD CONSTRAINT known_status CHECK (status IN
        ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELED', 'EXPIRED', 'UNDOING', 'UNDONE')),
    ADD CONSTRAINT failure_has_reason CHECK (status <> 'FAILED' OR error_code IS NOT NULL),
    ADD CONSTRAINT success_has_no_error CHECK
        (status NOT IN ('PENDING', 'PROCESSING', 'COMPLETED') OR error_code IS NULL),
    ADD CONSTRAINT ended_when_it_ended CHECK
        ((status IN ('PENDING', 'PROCESSING')) = (completed_at IS NULL)),
    -- the upload
    ADD COLUMN upload_expires_at timestamptz,              -- NULL: nobody was asked to upload anything
    ADD COLUMN upload_id text,                             -- S3's name of an upload in parts
    ADD COLUMN part_size bigint,                           -- bytes, with upload_id
    ADD COLUMN part_checksums boolean NOT NULL DEFAULT false,
    ADD COLUMN sha256 text,                                -- of the file, in hexadecimal, as the client declared
    ADD COLUMN checksum text,                              -- of the object, as S3 verified it
    -- the same content again
    ADD COLUMN force boolean NOT NULL DEFAULT false,       -- load it even if it was loaded before
    ADD COLUMN duplicate_of uuid REFERENCES ingestion_jobs,
    -- lost messages
    ADD COLUMN looked_at timestamptz,                      -- when a sweep last looked for the object
    ADD COLUMN announced_at timestamptz,                   -- when a sweep last sent a message
    ADD COLUMN announcements integer NOT NULL DEFAULT 0,   -- how often one did, since the job last moved
    -- workers that died
    ADD COLUMN claimed_at timestamptz,
    ADD COLUMN vain_attempts integer NOT NULL DEFAULT 0,   -- taken in a row without one block committed
    -- afterwards
    ADD COLUMN undone_rows bigint,                         -- how many rows undoing it removed
    ADD COLUMN purged_at timestamptz;                      -- when its rejects and its ledger's details went
CREATE INDEX ON ingestion_jobs (dataset_id, checksum) WHERE status = 'COMPLETED' AND checksum IS NOT NULL;
CREATE INDEX ON ingestion_jobs (duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX ON ingestion_jobs (completed_at) WHERE purged_at IS NULL;
-- What sweeps do at most so often, however many there are.
CREATE TABLE chores (
    name      text PRIMARY KEY,
    taken_at  timestamptz NOT NULL
);
-- Finds a job's rows to undo it. They lie together, in the order of loading, so that this costs next to nothing.
CREATE INDEX ON ingested_data USING brin (first_job) WITH (pages_per_range = 32);

-- A job's rejects as a file: one row for each job of which it was asked for, or whose undo makes it first. A row stays
-- until retention has removed the job's objects below `rejects/`, also where requested_at is NULL: it is not wanted any
-- more, because the job goes on.
CREATE TABLE rejects_files (
    job_id         uuid PRIMARY KEY REFERENCES ingestion_jobs,
    reading_no     integer NOT NULL,            -- of which reading of the file
    requested_at   timestamptz,
    lease_owner    text,
    lease_until    timestamptz,
    attempts       integer NOT NULL DEFAULT 0,  -- to make it; interruptions do not count
    announced_at   timestamptz,                 -- when a sweep last sent a message
    announcements  integer NOT NULL DEFAULT 0,
    error          text,                        -- a sentence: it could not be made
    made_at        timestamptz,
    key            text,                        -- of its object
    rejects        bigint,
    source         text CHECK (source IN ('object', 'excerpts')),
    CHECK ((made_at IS NULL) = (key IS NULL)),
    CHECK (made_at IS NULL OR requested_at IS NOT NULL AND error IS NULL AND source IS NOT NULL)
);
CREATE INDEX ON rejects_files (requested_at) WHERE made_at IS NULL AND error IS NULL;

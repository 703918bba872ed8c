-- A large file is shared out among workers: one row for each range of it that is still to be loaded. A range begins
-- and ends where a record does. What has been loaded, the ledger says; these rows only say who is at it.
CREATE TABLE ingestion_ranges (
    job_id         uuid NOT NULL REFERENCES ingestion_jobs,
    start_offset   bigint NOT NULL,
    end_offset     bigint NOT NULL,
    lease_owner    text,
    lease_until    timestamptz,
    claimed_at     timestamptz,
    vain_attempts  integer NOT NULL DEFAULT 0,  -- taken in a row without one block of it committed
    PRIMARY KEY (job_id, start_offset),
    CHECK (start_offset < end_offset)
);
-- Up to where the file has been shared out; NULL: it is loaded by one worker, or nobody has looked at it yet.
ALTER TABLE ingestion_jobs ADD COLUMN shared_to bigint;

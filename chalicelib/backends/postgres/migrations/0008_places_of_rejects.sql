-- How many rows of a spreadsheet a block has; NULL in a file without rows, and in blocks of an earlier version.
ALTER TABLE ingestion_blocks ADD COLUMN sheet_rows bigint;
-- Where a reject is, counted from 0 in its block. NULL in rejects of an earlier version.
ALTER TABLE validation_errors
    ADD COLUMN line bigint,
    ADD COLUMN sheet_row bigint;
-- The rejects of a block in numbers: one row for each code and field (empty: none), with the first one's place. A purge
-- leaves one row for each code and field of a job.
CREATE TABLE reject_counts (
    job_id       uuid NOT NULL REFERENCES ingestion_jobs,
    block_no     bigint NOT NULL,
    code         text NOT NULL,
    field        text NOT NULL,
    count        bigint NOT NULL CHECK (count > 0),
    record       bigint,
    line         bigint,
    sheet_row    bigint,
    byte_offset  bigint,
    PRIMARY KEY (job_id, block_no, code, field) INCLUDE (count)
);

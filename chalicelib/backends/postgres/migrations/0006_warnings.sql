-- What was assumed, passed over or repaired in a block: one row for each code, at its first place in the block.
-- `block_no` is -1 for what was found when the file was opened. A purge leaves one row for each code of a job.
CREATE TABLE job_warnings (
    job_id       uuid NOT NULL REFERENCES ingestion_jobs,
    block_no     bigint NOT NULL,
    code         text NOT NULL,
    count        bigint NOT NULL CHECK (count > 0),
    record       bigint,                        -- from 0 in the block
    line         bigint,                        -- from 0 in the block
    byte_offset  bigint,
    example      text,
    PRIMARY KEY (job_id, block_no, code) INCLUDE (count)
);
-- How many lines end in the block. NULL in blocks of an earlier version, and of jobs that it began.
ALTER TABLE ingestion_blocks ADD COLUMN lines bigint;

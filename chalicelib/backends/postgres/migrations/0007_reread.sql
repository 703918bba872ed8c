-- A job can be read again in another way. Each reading has a number; what a worker knows of an earlier one is void.
ALTER TABLE ingestion_jobs
    ADD COLUMN reading_no integer NOT NULL DEFAULT 1,
    ADD COLUMN rereads boolean NOT NULL DEFAULT false,  -- the next reading is of the same object
    ADD COLUMN planned_block_size integer;              -- what block_size was before a reading made it smaller
-- The options of files whose uploads do not say otherwise.
ALTER TABLE datasets ADD COLUMN options jsonb NOT NULL DEFAULT '{}';

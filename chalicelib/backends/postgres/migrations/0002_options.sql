-- How the client says its file is written, and what is known of a file's text only once it has been read:
-- its size after decompression, and how far into the object a block's bytes reached.
ALTER TABLE ingestion_jobs
    ADD COLUMN options jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN text_size bigint;
ALTER TABLE ingestion_blocks ADD COLUMN source_offset bigint;

-- Datasets say where rows belong.
CREATE TABLE datasets (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- One row an upload. `number` is its short name in ingested_data.
CREATE TABLE ingestion_jobs (
    id             uuid PRIMARY KEY,
    number         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    dataset_id     integer NOT NULL REFERENCES datasets,
    status         text NOT NULL DEFAULT 'PENDING'
                   CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED')),
    filename       text NOT NULL,
    format         text,                        -- as the client declared it
    declared_size  bigint,                      -- bytes, likewise
    metadata       jsonb,                       -- the client's own labels, copied to its rows
    block_size     integer NOT NULL,            -- the grid its blocks lie on
    bucket         text NOT NULL,
    key            text NOT NULL,
    version_id     text,
    etag           text,                        -- with size: the pinned source
    size           bigint,
    detected       jsonb,
    lease_owner    text,
    lease_until    timestamptz,
    attempts       integer NOT NULL DEFAULT 0,  -- how often a worker took it
    error_code     text,
    error_message  text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    uploaded_at    timestamptz,
    started_at     timestamptz,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    completed_at   timestamptz,
    CHECK ((status = 'FAILED') = (error_code IS NOT NULL)),
    CHECK ((status IN ('COMPLETED', 'FAILED')) = (completed_at IS NOT NULL))
);
CREATE INDEX ON ingestion_jobs (dataset_id, number);
CREATE INDEX ON ingestion_jobs (status, number);

-- The ledger: one row a block whose rows and rejects are committed. Offsets are bytes of the file.
CREATE TABLE ingestion_blocks (
    job_id        uuid NOT NULL REFERENCES ingestion_jobs,
    block_no      bigint NOT NULL,
    start_offset  bigint NOT NULL,
    end_offset    bigint NOT NULL,
    records       bigint NOT NULL,
    inserted      bigint NOT NULL,
    duplicates    bigint NOT NULL,
    rejected      bigint NOT NULL,
    committed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, block_no),
    CHECK (start_offset < end_offset),
    CHECK (records = inserted + duplicates + rejected)
);

-- The dead-letter table. `record` counts from 0 within the block.
CREATE TABLE validation_errors (
    job_id       uuid NOT NULL,
    block_no     bigint NOT NULL,
    record       bigint NOT NULL,
    byte_offset  bigint NOT NULL,
    field        text,
    code         text NOT NULL,
    message      text NOT NULL,
    raw          text NOT NULL,
    PRIMARY KEY (job_id, block_no, record),
    FOREIGN KEY (job_id, block_no) REFERENCES ingestion_blocks
);

-- The rows. Fixed-width columns first, so that no row carries padding.
CREATE TABLE ingested_data (
    first_job     bigint NOT NULL,              -- ingestion_jobs.number
    last_job      bigint NOT NULL,
    dataset_id    integer NOT NULL,
    content_hash  bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    record        jsonb NOT NULL,
    metadata      jsonb,
    PRIMARY KEY (dataset_id, content_hash)
);

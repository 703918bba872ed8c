-- Signs of life. A worker process renews its row every few seconds, and removes it when it ends in order.
CREATE TABLE workers (
    number            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    name              text PRIMARY KEY,          -- the part of lease_owner before the slash
    kind              text NOT NULL CHECK (kind IN ('process', 'lambda')),
    version           text NOT NULL,
    started_at        timestamptz NOT NULL,
    seen_at           timestamptz NOT NULL,
    interval_seconds  double precision NOT NULL, -- between two signs of life
    slots             integer NOT NULL,
    jobs              jsonb NOT NULL             -- what its slots work at; ages in seconds before seen_at
) WITH (fillfactor = 50);                        -- updated in place
-- When the job was last put on the queue: its file arrived, or a client had it loaded, retried or read again. NULL in
-- jobs of earlier versions.
ALTER TABLE ingestion_jobs ADD COLUMN queued_at timestamptz;

-- A tenant is a customer on whose behalf files come. What exists belongs to the tenant `default`.
--
-- The large table does not change: its column dataset_id holds the id of a tenant's dataset. Of the tenant `default`
-- that is the dataset's own id, so the rows and jobs that exist, and those of workers of earlier versions, are right.
-- A worker of an earlier version does not find the jobs of other tenants, and leaves them alone.
CREATE TABLE tenants (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    created_at    timestamptz NOT NULL DEFAULT now(),
    suspended_at  timestamptz
);
INSERT INTO tenants (name) VALUES ('default');  -- gets the id 1

-- The rows of one tenant in one dataset. The ids come from the sequence of datasets.
CREATE TABLE tenant_datasets (
    id          integer PRIMARY KEY DEFAULT nextval(pg_get_serial_sequence('datasets', 'id')),
    tenant_id   integer NOT NULL REFERENCES tenants,
    dataset_id  integer NOT NULL REFERENCES datasets ON DELETE CASCADE,
    UNIQUE (tenant_id, dataset_id),
    UNIQUE (tenant_id, id),
    CHECK (tenant_id <> 1 OR id = dataset_id)
);
CREATE INDEX ON tenant_datasets (dataset_id);

CREATE FUNCTION add_dataset_of_default_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tenant_datasets (id, tenant_id, dataset_id) VALUES (new.id, 1, new.id);
    RETURN new;
END
$$;
CREATE TRIGGER dataset_of_default_tenant AFTER INSERT ON datasets
    FOR EACH ROW EXECUTE FUNCTION add_dataset_of_default_tenant();
INSERT INTO tenant_datasets (id, tenant_id, dataset_id) SELECT id, 1, id FROM datasets;

-- No row is rewritten, and none is checked here: see the next migration.
ALTER TABLE ingestion_jobs
    ADD COLUMN tenant_id integer NOT NULL DEFAULT 1,
    ADD COLUMN created_by text,  -- the credential with which a client registered it
    DROP CONSTRAINT ingestion_jobs_dataset_id_fkey,
    ADD CONSTRAINT dataset_of_tenant
        FOREIGN KEY (tenant_id, dataset_id) REFERENCES tenant_datasets (tenant_id, id) NOT VALID;

COMMENT ON COLUMN ingestion_jobs.dataset_id IS 'tenant_datasets.id';
COMMENT ON COLUMN ingested_data.dataset_id IS 'tenant_datasets.id';

-- Objects in the bucket that belong to no tenant.
CREATE TABLE unmatched_objects (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket      text NOT NULL,
    key         text NOT NULL,
    size        bigint,
    reason      text NOT NULL,
    seen_at     timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX ON unmatched_objects (md5(key), bucket);  -- a key may be longer than an index entry

CREATE OR REPLACE VIEW ingested_rows AS
SELECT
    datasets.name AS dataset,
    stored.content_hash,
    stored.record,
    first.id AS first_job_id,
    last.id AS last_job_id,
    first.metadata AS first_metadata,
    last.metadata AS last_metadata,
    CASE
        WHEN coalesce(first.metadata, stored.metadata, last.metadata) IS NOT NULL
        THEN coalesce(first.metadata, '{}') || coalesce(stored.metadata, '{}') || coalesce(last.metadata, '{}')
    END AS metadata,
    tenants.name AS tenant
FROM ingested_data AS stored
JOIN tenant_datasets ON tenant_datasets.id = stored.dataset_id
JOIN datasets ON datasets.id = tenant_datasets.dataset_id
JOIN tenants ON tenants.id = tenant_datasets.tenant_id
LEFT JOIN ingestion_jobs AS first ON first.number = stored.first_job
LEFT JOIN ingestion_jobs AS last ON last.number = stored.last_job;

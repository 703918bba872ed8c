-- A tenant can be removed, with everything that belongs to it. Its row stays: its name is never given to another.
ALTER TABLE tenants
    ADD COLUMN removing_at timestamptz,  -- since then it is being removed
    ADD COLUMN removed_at timestamptz,   -- nothing of it is left
    ADD CONSTRAINT removal_begins_before_it_ends CHECK (removed_at IS NULL OR removing_at IS NOT NULL),
    ADD CONSTRAINT removal_suspends CHECK (removing_at IS NULL OR suspended_at IS NOT NULL),
    ADD CONSTRAINT default_stays CHECK (id <> 1 OR removing_at IS NULL);

-- The API begins the removal.
GRANT UPDATE (removing_at) ON tenants TO sluice_api;
-- The sweep, also a worker's, cancels the tenant's jobs and removes what belongs to it. It does not read rows and keys:
-- it needs their places, and a right to UPDATE a column to lock rows.
GRANT EXECUTE ON FUNCTION end_transactions_on TO sluice_sweep, sluice_worker;
GRANT UPDATE (removed_at) ON tenants TO sluice_sweep, sluice_worker;
GRANT DELETE ON ingestion_jobs, ingestion_ranges, tenant_datasets TO sluice_sweep, sluice_worker;
GRANT SELECT (tenant_id), DELETE ON api_keys TO sluice_sweep, sluice_worker;
GRANT SELECT (ctid, dataset_id, content_hash), UPDATE (content_hash), DELETE ON ingested_data TO sluice_sweep;

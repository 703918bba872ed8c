-- sluice: in steps
-- Roles for the processes of Sluice, and row-level security on the tables that the API's role sees. The owner, who
-- migrates, is outside of both. The roles have no login: `python -m chalicelib.roles` gives them one.
-- They belong to the server, not to the database: another database of it may have made them, or makes them right now.
DO $$
DECLARE
    missing text[];
BEGIN
    SELECT array_agg(name) INTO missing
    FROM unnest(ARRAY['sluice_api', 'sluice_worker', 'sluice_sweep', 'sluice_analyst']) AS name
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name);
    FOR number IN 1 .. coalesce(array_length(missing, 1), 0) LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', missing[number]);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;  -- another migration has made it meanwhile
            WHEN insufficient_privilege THEN
                RAISE insufficient_privilege USING MESSAGE = format(
                    'the role %I may not create roles. Let a role that may run this, then migrate again: %s',
                    current_user, (SELECT string_agg(format('CREATE ROLE %I NOLOGIN;', name), ' ') FROM unnest(missing) AS name)
                );
        END;
    END LOOP;
END
$$;

-- The tenant on whose behalf a transaction of the API is; NULL: none, and then no row of a tenant is visible.
CREATE OR REPLACE FUNCTION sluice_tenant() RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('sluice.tenant', true), '')::integer $$;
-- Whether a credential of all tenants is used for what belongs to no tenant: the tenants, all API keys.
CREATE OR REPLACE FUNCTION sluice_is_operator() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT coalesce(current_setting('sluice.operator', true), '') = 'on' $$;

-- What the API's role needs beyond its own rows. Each function does one thing, as the owner, whatever the search path.
-- The tenant of a request is known by its key: so the key is found before. Notes that it was used.
CREATE OR REPLACE FUNCTION find_api_key(key_hash bytea)
RETURNS TABLE (key api_keys, tenant text, suspended_at timestamptz)
LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE api_keys SET last_used_at = now()
    WHERE hash = key_hash AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');
    SELECT api_keys, tenants.name, tenants.suspended_at
    FROM api_keys LEFT JOIN tenants ON tenants.id = api_keys.tenant_id
    WHERE api_keys.hash = key_hash
$$;
-- Whether there are jobs that any worker could take, while no worker holds a job.
CREATE OR REPLACE FUNCTION has_unattended_jobs(seconds double precision) RETURNS boolean
LANGUAGE sql SECURITY DEFINER AS $$
    SELECT EXISTS (
        SELECT FROM ingestion_jobs
        WHERE (status = 'PENDING' AND uploaded_at IS NOT NULL OR status IN ('PROCESSING', 'UNDOING'))
          AND updated_at < now() - make_interval(secs => seconds)
    ) AND NOT EXISTS (
        SELECT FROM ingestion_jobs AS job
        WHERE status IN ('PROCESSING', 'UNDOING')
          AND (lease_until > now()
               OR EXISTS (SELECT FROM ingestion_ranges AS stretch
                          WHERE stretch.job_id = job.id AND stretch.lease_until > now()))
    )
$$;
-- Ends the transactions of blocks of a job, and whatever else has its advisory lock: see admit_block. The lock is looked at
-- in the statement that ends its holder, because the number of a process is used again. A block that waits for the lock
-- would get it before the caller's transaction does.
-- Then those that may have locked the row of a job and do nothing, such as a heartbeat's whose process has been stopped.
CREATE OR REPLACE FUNCTION end_transactions_on(job_id uuid, application text, idle_seconds double precision) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND pid <> pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32 | objid::bigint) = pg_catalog.hashtextextended(job_id::text, 0::bigint)
      AND (granted OR mode = 'ShareLock');
    SELECT FROM (
        SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = application AND datname = current_database() AND pid <> pg_backend_pid()
          AND state = 'idle in transaction' AND state_change < clock_timestamp() - make_interval(secs => idle_seconds)
          AND pid IN (
            SELECT pid FROM pg_locks
            WHERE locktype = 'relation' AND relation = 'ingestion_jobs'::regclass
              AND mode IN ('RowShareLock', 'RowExclusiveLock')
          )
        OFFSET 0
    ) AS ended
$$;
-- Every dataset is one of the tenant `default`, whoever creates it.
CREATE OR REPLACE FUNCTION add_dataset_of_default_tenant() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO tenant_datasets (id, tenant_id, dataset_id) VALUES (new.id, 1, new.id);
    RETURN new;
END
$$;
DO $$
DECLARE
    own regprocedure;
BEGIN
    FOR own IN
        SELECT oid FROM pg_proc WHERE prosecdef AND pronamespace = current_schema()::regnamespace AND proowner = current_user::regrole
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', own, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', own);
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION find_api_key, has_unattended_jobs, end_transactions_on TO sluice_api;

-- The API registers jobs, shows them and changes their status. It has no right at all on the rows.
GRANT SELECT ON
    tenants, datasets, tenant_datasets, ingestion_jobs, ingestion_blocks, ingestion_ranges, validation_errors,
    reject_counts, job_warnings, job_previews, rejects_files, workers, api_keys, unmatched_objects
TO sluice_api;
GRANT INSERT (name), UPDATE (suspended_at) ON tenants TO sluice_api;
GRANT INSERT (name), UPDATE (options) ON datasets TO sluice_api;
GRANT INSERT (tenant_id, dataset_id) ON tenant_datasets TO sluice_api;
GRANT INSERT, UPDATE ON ingestion_jobs, rejects_files TO sluice_api;
GRANT DELETE ON ingestion_ranges, reject_counts, job_warnings, job_previews TO sluice_api;
GRANT INSERT, UPDATE (revoked_at) ON api_keys TO sluice_api;
-- The sweep takes in what has arrived, reconciles and purges. A worker sweeps, too.
GRANT SELECT ON tenants, datasets, tenant_datasets TO sluice_sweep, sluice_worker;
GRANT INSERT (name) ON datasets TO sluice_sweep, sluice_worker;
GRANT INSERT (tenant_id, dataset_id) ON tenant_datasets TO sluice_sweep, sluice_worker;
GRANT SELECT, INSERT, UPDATE ON ingestion_jobs, chores TO sluice_sweep, sluice_worker;
GRANT SELECT, INSERT, DELETE ON ingestion_blocks, reject_counts, job_warnings TO sluice_sweep, sluice_worker;
GRANT SELECT ON ingestion_ranges TO sluice_sweep;
GRANT SELECT, DELETE ON validation_errors, job_previews, workers TO sluice_sweep, sluice_worker;
GRANT SELECT, UPDATE, DELETE ON rejects_files TO sluice_sweep, sluice_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON unmatched_objects TO sluice_sweep, sluice_worker;
-- A worker loads, undoes, and makes previews and rejects files.
GRANT SELECT, INSERT, UPDATE, DELETE ON ingested_data, ingestion_ranges TO sluice_worker;
GRANT INSERT, UPDATE ON workers, job_previews TO sluice_worker;
GRANT INSERT ON validation_errors, rejects_files TO sluice_worker;
GRANT UPDATE ON reject_counts TO sluice_worker;
-- Analysts read the rows of all tenants, and what became of their files.
GRANT SELECT ON
    ingested_rows, ingested_data, tenants, datasets, tenant_datasets, ingestion_jobs, ingestion_blocks, validation_errors,
    reject_counts, job_warnings
TO sluice_analyst;
DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO sluice_api, sluice_sweep, sluice_worker', pg_get_serial_sequence('datasets', 'id'));
END
$$;

-- Lets the API's role see and change the rows of a table that meet the condition, the others all rows that their
-- privileges allow. A role that has no policy sees nothing.
CREATE OR REPLACE FUNCTION pg_temp.protect(name text, condition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP POLICY IF EXISTS within_tenant ON %I', name);
    EXECUTE format('CREATE POLICY within_tenant ON %I TO sluice_api USING (%s) WITH CHECK (%2$s)', name, condition);
    EXECUTE format('DROP POLICY IF EXISTS of_workers ON %I', name);
    EXECUTE format('CREATE POLICY of_workers ON %I TO sluice_worker, sluice_sweep USING (true) WITH CHECK (true)', name);
    EXECUTE format('DROP POLICY IF EXISTS of_analysts ON %I', name);
    EXECUTE format('CREATE POLICY of_analysts ON %I FOR SELECT TO sluice_analyst USING (true)', name);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
END
$$;

SELECT pg_temp.protect('ingestion_jobs', 'tenant_id = (SELECT sluice_tenant())');

-- Not EXISTS: for that Postgres hashes all jobs of the tenant, though one job is asked about. In a subquery, a setting is
-- read once for each statement and not for each row.
SELECT pg_temp.protect('ingestion_blocks', '(SELECT true FROM ingestion_jobs AS job WHERE job.id = job_id)');

SELECT pg_temp.protect('ingestion_ranges', '(SELECT true FROM ingestion_jobs AS job WHERE job.id = job_id)');

SELECT pg_temp.protect('validation_errors', '(SELECT true FROM ingestion_jobs AS job WHERE job.id = job_id)');

SELECT pg_temp.protect('reject_counts', '(SELECT true FROM ingestion_jobs AS job WHERE job.id = job_id)');

SELECT pg_temp.protect('job_warnings', '(SELECT true FROM ingestion_jobs AS job WHERE job.id = job_id)');

SELECT pg_temp.protect('job_previews', '(SELECT true FROM ingestion_jobs AS job WHERE job.id = job_id)');

SELECT pg_temp.protect('rejects_files', '(SELECT true FROM ingestion_jobs AS job WHERE job.id = job_id)');

SELECT pg_temp.protect('tenant_datasets', 'tenant_id = (SELECT sluice_tenant())');

SELECT pg_temp.protect('api_keys', 'tenant_id = sluice_tenant() OR sluice_is_operator()');

-- A request sees its own tenant; an operator's sees all, creates and suspends them.
SELECT pg_temp.protect('tenants', 'sluice_is_operator()');
DROP POLICY IF EXISTS own_tenant ON tenants;
CREATE POLICY own_tenant ON tenants FOR SELECT TO sluice_api USING (id = sluice_tenant());

-- Datasets and their default options are the operator's: a request on behalf of any tenant sees them by name.
SELECT pg_temp.protect('datasets', 'sluice_tenant() IS NOT NULL OR sluice_is_operator()');

-- A job's document says which workers hold it.
SELECT pg_temp.protect('workers', 'sluice_tenant() IS NOT NULL OR sluice_is_operator()');

SELECT pg_temp.protect('unmatched_objects', 'sluice_is_operator()');

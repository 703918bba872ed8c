-- The records of one person are erased from a tenant's dataset, and those that come later are rejected. What is erased is
-- known by salted hashes of the value only.
ALTER TABLE tenant_datasets
    ADD COLUMN erasures integer NOT NULL DEFAULT 0,  -- how many there have been: a worker that knows fewer commits nothing
    ADD COLUMN erasure_salt bytea;

CREATE TABLE erasures (
    number        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id            uuid NOT NULL UNIQUE,
    tenant_id     integer NOT NULL,
    dataset_id    integer NOT NULL,             -- tenant_datasets.id
    field         text NOT NULL,
    hashes        bytea[] NOT NULL,             -- of the field with the value, in each way that it may be written
    sizes         integer[] NOT NULL,           -- of these, in bytes: a worker hashes texts of these sizes only
    words_hash    bytea,                        -- of the value's words in any order; NULL: it has none
    words         integer NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    worked_at     timestamptz,                  -- when a sweep last began to work on it
    fenced_at     timestamptz,                  -- since then the ledger takes no block from a worker that does not know it
    after_hash    bytea NOT NULL DEFAULT '',    -- rows up to this one are looked at
    is_shared     boolean NOT NULL DEFAULT false,  -- several jobs brought one of the rows
    rows_done_at  timestamptz,
    completed_at  timestamptz,
    rows          bigint NOT NULL DEFAULT 0,    -- removed
    rejects       bigint NOT NULL DEFAULT 0,    -- whose content was removed
    objects       bigint NOT NULL DEFAULT 0,    -- removed, versions and rejects files counted each
    FOREIGN KEY (tenant_id, dataset_id) REFERENCES tenant_datasets (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ON erasures (dataset_id);
CREATE INDEX ON erasures (number) WHERE completed_at IS NULL;

-- The jobs that there were when an erasure began. Once it is completed, those whose objects were removed.
CREATE TABLE erasure_jobs (
    erasure       bigint NOT NULL REFERENCES erasures ON DELETE CASCADE,
    job_id        uuid NOT NULL REFERENCES ingestion_jobs ON DELETE CASCADE,
    holds         boolean NOT NULL DEFAULT false,  -- its object holds the value, or may
    after_block   bigint NOT NULL DEFAULT -1,   -- rejects up to this one are looked at
    after_record  bigint NOT NULL DEFAULT -1,
    examined_at   timestamptz,
    removed_at    timestamptz,                  -- its objects were
    PRIMARY KEY (erasure, job_id)
);
CREATE INDEX ON erasure_jobs (job_id);

-- No block is committed by a worker that does not know all erasures of the dataset. One of an earlier version, which knows
-- none, finds that its job has ended; one of this version begins again. From here to its end the transaction has a lock
-- that an erasure waits for. Jobs that have ended keep their sums: those are not new rows.
CREATE FUNCTION heed_erasures() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    known text := coalesce(current_setting('sluice.erasures', true), '');
    own integer;
    present integer;
BEGIN
    SELECT dataset_id INTO own FROM ingestion_jobs WHERE id = new.job_id AND status = 'PROCESSING';
    IF NOT FOUND THEN
        RETURN new;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(25, own);
    SELECT erasures INTO present FROM tenant_datasets WHERE id = own;
    IF present = coalesce(nullif(known, ''), '0')::integer THEN
        RETURN new;
    END IF;
    IF known = '' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'records of the dataset are being erased' USING ERRCODE = 'serialization_failure';
END
$$;
CREATE TRIGGER heed_erasures BEFORE INSERT ON ingestion_blocks FOR EACH ROW
    WHEN (new.inserted > 0 OR coalesce(new.reject_rows, new.rejected) > 0)
    EXECUTE FUNCTION heed_erasures();

-- The API begins an erasure and shows it. The sweep, also a worker's, carries it out: it has to read rows.
GRANT UPDATE (erasures, erasure_salt) ON tenant_datasets TO sluice_api;
GRANT SELECT, INSERT ON erasures TO sluice_api;
GRANT SELECT ON erasure_jobs TO sluice_api;
GRANT SELECT, UPDATE ON erasures TO sluice_sweep, sluice_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON erasure_jobs TO sluice_sweep, sluice_worker;
GRANT SELECT (record, first_job, last_job) ON ingested_data TO sluice_sweep;
GRANT UPDATE (field, code, message, raw) ON validation_errors TO sluice_sweep, sluice_worker;
GRANT UPDATE (example) ON job_warnings TO sluice_sweep, sluice_worker;
CREATE POLICY within_tenant ON erasures TO sluice_api
    USING (tenant_id = (SELECT sluice_tenant())) WITH CHECK (tenant_id = (SELECT sluice_tenant()));
CREATE POLICY of_workers ON erasures TO sluice_worker, sluice_sweep USING (true) WITH CHECK (true);
ALTER TABLE erasures ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_tenant ON erasure_jobs TO sluice_api
    USING ((SELECT true FROM ingestion_jobs AS job WHERE job.id = job_id));
CREATE POLICY of_workers ON erasure_jobs TO sluice_worker, sluice_sweep USING (true) WITH CHECK (true);
ALTER TABLE erasure_jobs ENABLE ROW LEVEL SECURITY;

-- Events of the audit log end when the operator's retention does, by this function and in no other way. How long they are
-- kept only the owner may change: the migration command notes it. Without a row, for ever.
CREATE TABLE audit_retention (
    days  integer NOT NULL CHECK (days >= 30)
);
CREATE FUNCTION remove_audit_events(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    removed bigint;
BEGIN
    PERFORM set_config('sluice.removes_audit_events', 'on', true);
    DELETE FROM audit_events WHERE number IN (
        SELECT number FROM audit_events
        WHERE time < (SELECT now() - make_interval(days => max(days)) FROM audit_retention)
        ORDER BY time LIMIT most
    );
    GET DIAGNOSTICS removed = ROW_COUNT;
    PERFORM set_config('sluice.removes_audit_events', 'off', true);
    RETURN removed;
END
$$;
REVOKE ALL ON FUNCTION remove_audit_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION remove_audit_events TO sluice_sweep, sluice_worker;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION remove_audit_events SET search_path = %I, pg_temp', current_schema());
END
$$;
CREATE OR REPLACE FUNCTION refuse_change_of_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'DELETE' AND current_setting('sluice.removes_audit_events', true) = 'on' THEN
        RETURN NULL;  -- of a trigger for each statement it says nothing
    END IF;
    RAISE EXCEPTION 'audit_events is append-only: % is refused', tg_op USING ERRCODE = 'insufficient_privilege';
END
$$;

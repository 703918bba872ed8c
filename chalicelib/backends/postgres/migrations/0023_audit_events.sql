-- Who did what, or was refused. An event is written in the transaction of what it tells of, and never changed. Ids without
-- foreign keys: an event outlives what it is about.
CREATE TABLE audit_events (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time        timestamptz NOT NULL DEFAULT now(),
    tenant_id   integer,         -- NULL: of all tenants, or of none
    action      text NOT NULL,   -- chalicelib/core/audit.py lists them
    actor_kind  text NOT NULL,   -- of credentials; `command`: a command on the server
    actor_id    text NOT NULL,
    actor_name  text NOT NULL,
    credential  text,
    job_id      uuid,
    subject     text,            -- what the action is about, as a path of the API
    request_id  text NOT NULL,
    address     text,            -- of the network
    refused     smallint         -- the status of the answer; NULL: it was done
);
CREATE INDEX ON audit_events (tenant_id, number);
CREATE INDEX ON audit_events (job_id, number) WHERE job_id IS NOT NULL;
CREATE INDEX ON audit_events (action, number);
CREATE INDEX ON audit_events (time);

CREATE FUNCTION refuse_change_of_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only: % is refused', tg_op USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_events();

-- The API notes and lists events: those of the request's tenant, or all. Workers and sweeps note none, and analysts do not
-- learn who does what. Each is asked once for a statement and not for each row.
GRANT SELECT, INSERT ON audit_events TO sluice_api;
CREATE POLICY within_tenant ON audit_events TO sluice_api
    USING (tenant_id = (SELECT sluice_tenant()) OR (SELECT sluice_is_operator()))
    WITH CHECK (tenant_id = (SELECT sluice_tenant()) OR (SELECT sluice_is_operator()));
ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;

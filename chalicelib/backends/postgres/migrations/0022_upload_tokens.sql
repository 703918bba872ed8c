-- How many files were registered with an upload token. A token has a row from its first file until it has expired.
CREATE TABLE upload_tokens (
    id          uuid PRIMARY KEY,
    tenant_id   integer NOT NULL REFERENCES tenants ON DELETE CASCADE,
    files       integer NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX ON upload_tokens (tenant_id);
CREATE INDEX ON upload_tokens (expires_at);
-- The API counts files; a sweep removes the rows of expired tokens.
GRANT SELECT, INSERT, UPDATE ON upload_tokens TO sluice_api;
GRANT SELECT, DELETE ON upload_tokens TO sluice_sweep, sluice_worker;
CREATE POLICY within_tenant ON upload_tokens TO sluice_api
    USING (tenant_id = (SELECT sluice_tenant())) WITH CHECK (tenant_id = (SELECT sluice_tenant()));
CREATE POLICY of_workers ON upload_tokens TO sluice_worker, sluice_sweep USING (true) WITH CHECK (true);
ALTER TABLE upload_tokens ENABLE ROW LEVEL SECURITY;

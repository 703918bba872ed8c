-- How many files were registered with an upload token. A token has a row from its first file until it has expired.
CREATE TABLE upload_tokens (
    id          uuid PRIMARY KEY,
    tenant_id   integer NOT NULL REFERENCES tenants ON DELETE CASCADE,
    files       integer NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX ON upload_tokens (tenant_id);
CREATE INDEX ON upload_tokens (expires_at);

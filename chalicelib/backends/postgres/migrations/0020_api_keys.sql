-- API keys. Of a key only its SHA-256 is stored.
CREATE TABLE api_keys (
    id            uuid PRIMARY KEY,
    number        bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    name          text NOT NULL,
    hash          bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    scopes        text[] NOT NULL,
    tenant_id     integer REFERENCES tenants,  -- NULL: of all tenants
    datasets      text[],                      -- NULL: of all datasets
    created_at    timestamptz NOT NULL DEFAULT now(),
    created_by    text,                        -- the credential of who created it; NULL: a command on the server
    expires_at    timestamptz,
    last_used_at  timestamptz,                 -- to the minute
    revoked_at    timestamptz
);
CREATE INDEX ON api_keys (name, tenant_id);

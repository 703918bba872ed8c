-- name: lock_name
SELECT pg_advisory_xact_lock(hashtextextended('api_keys ' || %(name)s, 0))

-- name: count_live
SELECT count(*) AS count FROM api_keys
WHERE name = %(name)s AND tenant_id IS NOT DISTINCT FROM %(tenant_id)s
  AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())

-- name: create
INSERT INTO api_keys (id, name, hash, scopes, tenant_id, datasets, expires_at, created_by)
VALUES (%(id)s, %(name)s, %(hash)s, %(scopes)s, %(tenant_id)s, %(datasets)s, %(expires_at)s, %(created_by)s)

-- name: select
SELECT key.id, key.number, key.name, key.hash, key.scopes, key.datasets, key.created_at, key.created_by, key.expires_at,
       key.last_used_at, key.revoked_at, key.tenant_id, tenant.name AS tenant, tenant.suspended_at
FROM api_keys AS key LEFT JOIN tenants AS tenant ON tenant.id = key.tenant_id

-- name: find
SELECT (found.key).*, found.tenant, found.suspended_at FROM find_api_key(%(hash)s) AS found

-- name: where_id
WHERE key.id = %(id)s

-- name: page
WHERE (%(tenant_id)s::integer IS NULL OR key.tenant_id = %(tenant_id)s)
  AND (%(before)s::bigint IS NULL OR key.number < %(before)s)
ORDER BY key.number DESC LIMIT %(limit)s

-- name: revoke
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
WHERE id = %(id)s AND (%(tenant_id)s::integer IS NULL OR tenant_id = %(tenant_id)s)

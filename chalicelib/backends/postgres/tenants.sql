-- name: named
SELECT id, name, created_at, suspended_at, removing_at, removed_at FROM tenants WHERE name = ANY(%(names)s)

-- name: datasets
SELECT name, EXISTS (SELECT FROM ingestion_jobs WHERE tenant_id = 1 AND dataset_id = datasets.id) AS is_of_default
FROM datasets WHERE name = ANY(%(names)s)

-- name: list
SELECT id, name, created_at, suspended_at, removing_at, removed_at FROM tenants
WHERE %(before)s::bigint IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(limit)s

-- name: dataset_of_default_tenant
-- Its dropped files have keys that begin as those of a tenant of this name would.
SELECT FROM datasets JOIN ingestion_jobs AS job ON job.dataset_id = datasets.id AND job.tenant_id = 1
WHERE datasets.name = %(name)s LIMIT 1

-- name: create
INSERT INTO tenants (name) VALUES (%(name)s) ON CONFLICT (name) DO NOTHING

-- name: suspend
UPDATE tenants SET suspended_at = coalesce(suspended_at, now()) WHERE name = %(name)s

-- name: resume
UPDATE tenants SET suspended_at = NULL WHERE name = %(name)s AND removing_at IS NULL

-- name: remove
UPDATE tenants SET suspended_at = coalesce(suspended_at, now()), removing_at = now()
WHERE name = %(name)s AND removing_at IS NULL

-- name: note_unmatched
-- Each sweep sees them again, and writes nothing then.
INSERT INTO unmatched_objects (bucket, key, size, reason)
SELECT DISTINCT ON (bucket, key) bucket, key, size, reason
FROM unnest(%(buckets)s::text[], %(keys)s::text[], %(sizes)s::bigint[], %(reasons)s::text[]) AS seen (bucket, key, size, reason)
WHERE NOT EXISTS (
    SELECT FROM unmatched_objects AS noted
    WHERE md5(noted.key) = md5(seen.key) AND noted.bucket = seen.bucket AND noted.reason = seen.reason
)
ON CONFLICT (md5(key), bucket) DO UPDATE SET reason = excluded.reason
WHERE unmatched_objects.reason <> excluded.reason

-- name: forget_unmatched
DELETE FROM unmatched_objects WHERE md5(key) = md5(%(key)s) AND key = %(key)s

-- name: unmatched
SELECT number, bucket, key, size, reason, seen_at FROM unmatched_objects
WHERE %(before)s::bigint IS NULL OR number < %(before)s ORDER BY number DESC LIMIT %(limit)s

-- name: note
INSERT INTO audit_events
    (tenant_id, action, actor_kind, actor_id, actor_name, credential, job_id, subject, request_id, address, refused)
VALUES (%(tenant_id)s, %(action)s, %(actor_kind)s, %(actor_id)s, %(actor_name)s, %(credential)s, %(job_id)s,
        %(subject)s, %(request_id)s, %(address)s, %(refused)s)

-- name: page
SELECT event.*, tenant.name AS tenant
FROM audit_events AS event LEFT JOIN tenants AS tenant ON tenant.id = event.tenant_id
WHERE (%(before)s::bigint IS NULL OR number < %(before)s)
  AND (%(tenant)s::text IS NULL OR tenant_id = (SELECT id FROM tenants WHERE name = %(tenant)s))
  AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(job_id)s::uuid IS NULL OR job_id = %(job_id)s)
  AND (%(since)s::timestamptz IS NULL OR time >= %(since)s)
ORDER BY number DESC LIMIT %(limit)s

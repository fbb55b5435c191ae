-- name: listed
-- Keys of one tenant, or of all.
SELECT id, tenant, scopes, label, created_at, revoked_at, last_used_at, expires_at, follows FROM api_key
WHERE $1::text IS NULL OR tenant = $1 ORDER BY tenant, created_at, id

-- name: knows
-- Whether there is such a tenant.
SELECT EXISTS (SELECT FROM tenant WHERE id = $1)

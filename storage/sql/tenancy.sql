-- name: put_tenant
-- A tenant with its empty chain.
WITH made AS (
  INSERT INTO tenant (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id
), chained AS (
  INSERT INTO chain (tenant) SELECT id FROM made RETURNING true
)
SELECT true FROM chained

-- name: put_key
-- A new key's digest.
INSERT INTO api_key (id, tenant, digest, scopes, label, created_at) VALUES ($1, $2, $3, $4, $5, $6)

-- name: key_by_digest
-- The live key with this digest.
SELECT * FROM api_key WHERE digest = $1 AND revoked_at IS NULL

-- name: keys
-- A tenant's keys.
SELECT * FROM api_key WHERE tenant = $1 ORDER BY created_at, id

-- name: revoke_key
-- End a key.
UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING true

-- name: touch_keys
-- When keys were last used.
UPDATE api_key k SET last_used_at = greatest(coalesce(k.last_used_at, t.at), t.at)
FROM unnest($1::text[], $2::timestamptz[]) AS t(id, at) WHERE k.id = t.id

-- name: names
-- What tenants call themselves.
SELECT id, name FROM tenant WHERE id = ANY($1::text[])

-- name: policy_versions
-- The versions in force.
SELECT id, policy_version FROM tenant WHERE id = ANY($1::text[])

-- name: policy
-- One version of a policy.
SELECT body::text FROM policy WHERE tenant = $1 AND version = $2

-- name: put_policy
-- The next version, in force when this commits.
WITH next AS (
  UPDATE tenant SET policy_version = policy_version + 1 WHERE id = $1 RETURNING policy_version
)
INSERT INTO policy (tenant, version, body, at) SELECT $1, policy_version, $2::json, $3 FROM next RETURNING version

-- name: with_policy
-- Tenants that have one in force.
SELECT id FROM tenant WHERE policy_version > 0 ORDER BY id

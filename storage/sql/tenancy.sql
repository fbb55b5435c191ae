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
INSERT INTO api_key (id, tenant, digest, scopes, label, created_at, expires_at, follows) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: key_by_digest
-- The live key with this digest, for how much longer it lives, and what its tenant may ask for. Expiry is on real time.
SELECT k.*, extract(epoch FROM k.expires_at - clock_timestamp()) AS seconds_left,
  t.requests_per_second, t.requests_burst, t.messages_per_day
FROM api_key k JOIN tenant t ON t.id = k.tenant
WHERE k.digest = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())

-- name: live_key
-- A key by its id, held, if it opens anything still.
SELECT * FROM api_key WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2) FOR UPDATE

-- name: end_key
-- From when on a key opens nothing.
UPDATE api_key SET expires_at = least(coalesce(expires_at, $2), $2) WHERE id = $1

-- name: put_limits
-- What a tenant may ask for.
UPDATE tenant SET requests_per_second = $2, requests_burst = $3, messages_per_day = $4 WHERE id = $1 RETURNING true

-- name: limits
-- What a tenant may ask for.
SELECT requests_per_second, requests_burst, messages_per_day FROM tenant WHERE id = $1

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

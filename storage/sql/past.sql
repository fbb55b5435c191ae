-- name: decisions
-- What was decided and reserved for messages of a tenant in [$2, $3), a page after an index.
SELECT idx, kind, at, message, header FROM trace
WHERE tenant = $1 AND kind IN ('decided', 'reserved') AND message IS NOT NULL AND at >= $2 AND at < $3 AND idx > $4
ORDER BY idx LIMIT $5

-- name: decisions_count
-- How many of them there are.
SELECT count(*) FROM trace
WHERE tenant = $1 AND kind IN ('decided', 'reserved') AND message IS NOT NULL AND at >= $2 AND at < $3

-- name: decisions_of
-- What was decided and reserved for one message.
SELECT idx, kind, at, message, header FROM trace
WHERE message = $1 AND kind IN ('decided', 'reserved') ORDER BY idx

-- name: policies
-- Every policy that a tenant ever had, oldest first.
SELECT version, body::text AS body, at FROM policy WHERE tenant = $1 ORDER BY version

-- name: tenants
-- All tenants.
SELECT id FROM tenant ORDER BY id

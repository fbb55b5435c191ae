-- name: lock
-- One template's head, held until the transaction ends; made when it is met for the first time.
INSERT INTO template (tenant, name, version, updated_at) VALUES ($1, $2, 0, $3)
ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name RETURNING version

-- name: version_of
-- The version that has this body already.
SELECT version FROM template_version WHERE tenant = $1 AND name = $2 AND digest = $3

-- name: add
-- The next version.
INSERT INTO template_version (tenant, name, version, digest, body, created_at)
SELECT $1, $2, coalesce(max(version), 0) + 1, $3, $4::json, $5 FROM template_version WHERE tenant = $1 AND name = $2
RETURNING version

-- name: point
-- Which version is in force.
UPDATE template SET version = $3, updated_at = $4 WHERE tenant = $1 AND name = $2

-- name: named
-- What the named versions are ($3 of 0: the one in force), without their bodies.
SELECT n.tenant, n.name, n.version AS asked, v.version, v.digest
FROM unnest($1::text[], $2::text[], $3::integer[]) AS n(tenant, name, version)
JOIN template t ON t.tenant = n.tenant AND t.name = n.name
JOIN template_version v ON v.tenant = n.tenant AND v.name = n.name AND v.version = CASE n.version WHEN 0 THEN t.version ELSE n.version END

-- name: get
-- One version with its body ($3 of 0: the one in force).
SELECT v.name, v.version, t.version AS current, v.digest, v.body::text AS body, v.created_at
FROM template t JOIN template_version v ON v.tenant = t.tenant AND v.name = t.name
  AND v.version = CASE $3::integer WHEN 0 THEN t.version ELSE $3 END
WHERE t.tenant = $1 AND t.name = $2

-- name: listed
-- A tenant's templates by name, after one.
SELECT t.name, t.version, t.updated_at FROM template t
WHERE t.tenant = $1 AND t.version > 0 AND ($2::text IS NULL OR t.name > $2) ORDER BY t.name LIMIT $3

-- name: versions
-- One template's versions, newest first, before one.
SELECT v.version, v.created_at, v.version = t.version AS in_force FROM template t
JOIN template_version v ON v.tenant = t.tenant AND v.name = t.name
WHERE t.tenant = $1 AND t.name = $2 AND ($3::bigint IS NULL OR v.version < $3) ORDER BY v.version DESC LIMIT $4

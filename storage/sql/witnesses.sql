-- name: known
-- The witnesses of a tenant, each with the key that was met first.
SELECT name, public_key FROM witness WHERE tenant = $1

-- name: meet
-- A witness who is new.
INSERT INTO witness (tenant, name, public_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: keep
-- What a witness signed under a head; the first time that it did stands.
INSERT INTO cosignature (tenant, size, name, at, line) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING

-- name: last_size
-- The largest head under which a witness signed.
SELECT max(size) FROM cosignature WHERE tenant = $1

-- name: under
-- Who signed under the head of a size.
SELECT c.name, w.public_key, c.at, c.line FROM cosignature c JOIN witness w ON w.tenant = c.tenant AND w.name = c.name
WHERE c.tenant = $1 AND c.size = $2 ORDER BY c.name

-- name: latest
-- What witnesses signed last, the largest head first, as far as the limit $2 goes.
SELECT c.size, c.name, w.public_key, c.at, c.line FROM cosignature c JOIN witness w ON w.tenant = c.tenant AND w.name = c.name
WHERE c.tenant = $1 ORDER BY c.size DESC, c.name LIMIT $2

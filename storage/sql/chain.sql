-- name: append
-- Take the next indices and write the entries under them. The head's row is locked from here to the commit. Entries of one instant
-- bring it once (see ``shared``).
WITH head AS (
  UPDATE chain SET size = size + $2 WHERE tenant = $1 RETURNING size - $2 AS base
), given AS (
  SELECT head.base + t.ord - 1 AS idx, t.kind, coalesce(t.at, ($4::timestamptz[])[1]) AS at, t.subject, t.message, t.header,
    t.payload_digest, t.leaf, t.nonce, t.ciphertext
  FROM head, unnest($3::text[], $4::timestamptz[], $5::uuid[], $6::uuid[], $7::bytea[],
    $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[]) WITH ORDINALITY
    AS t(kind, at, subject, message, header, payload_digest, leaf, nonce, ciphertext, ord)
), words AS (
  INSERT INTO trace_payload (tenant, idx, nonce, ciphertext)
  SELECT $1, idx, nonce, ciphertext FROM given WHERE nonce IS NOT NULL
)
INSERT INTO trace (tenant, idx, kind, at, subject, message, header, payload_digest, leaf)
SELECT $1, idx, kind, at, subject, message, header, payload_digest, leaf FROM given

-- name: size
-- Entries on a chain.
SELECT size FROM chain WHERE tenant = $1

-- name: rows
-- A range of entries with their sealed words, as far as those still exist.
SELECT t.idx, t.kind, t.at, t.subject, t.message, t.header, t.payload_digest, t.leaf, p.nonce, p.ciphertext
FROM trace t LEFT JOIN trace_payload p ON p.tenant = t.tenant AND p.idx = t.idx
WHERE t.tenant = $1 AND t.idx >= $2 AND t.idx < $3 ORDER BY t.idx

-- name: written
-- A range of entries, their words left where they are.
SELECT idx, kind, at, subject, message, header, payload_digest, leaf FROM trace
WHERE tenant = $1 AND idx >= $2 AND idx < $3 ORDER BY idx

-- name: page
-- Entries after an index, of one person, one message or one kind if named.
SELECT t.idx, t.kind, t.at, t.subject, t.message, t.header, t.payload_digest, t.leaf, p.nonce, p.ciphertext
FROM trace t LEFT JOIN trace_payload p ON p.tenant = t.tenant AND p.idx = t.idx
WHERE t.tenant = $1 AND ($2::uuid IS NULL OR t.subject = $2) AND ($3::uuid IS NULL OR t.message = $3)
  AND ($4::text IS NULL OR t.kind = $4) AND t.idx > $5
ORDER BY t.idx LIMIT $6

-- name: chains
-- How far every chain is sealed.
SELECT c.tenant, c.size, coalesce(s.size, 0) AS sealed FROM chain c LEFT JOIN seal s ON s.tenant = c.tenant

-- name: lock_seal
-- The sealer's state, made when it is met for the first time.
INSERT INTO seal (tenant, size, frontier) VALUES ($1, 0, '{}')
ON CONFLICT (tenant) DO UPDATE SET tenant = excluded.tenant RETURNING size, frontier

-- name: put_seal
-- Where the sealer stands now, and the head that it signed.
WITH moved AS (UPDATE seal SET size = $2, frontier = $3 WHERE tenant = $1)
INSERT INTO signed_head (tenant, size, root, note, at) VALUES ($1, $2, $4, $5, $6)

-- name: head
-- The last signed head.
SELECT note FROM signed_head WHERE tenant = $1 ORDER BY size DESC LIMIT 1

-- name: last_heads
-- The last signed heads, the newest first.
SELECT note FROM signed_head WHERE tenant = $1 ORDER BY size DESC LIMIT $2

-- name: heads
-- The last signed head of each of some tenants.
SELECT last.tenant, last.note FROM unnest($1::text[]) AS wanted(tenant),
  LATERAL (SELECT h.tenant, h.note FROM signed_head h WHERE h.tenant = wanted.tenant ORDER BY h.size DESC LIMIT 1) last

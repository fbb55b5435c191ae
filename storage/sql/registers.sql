-- name: known
-- The register ($1, $2) with its name, there from now on; locked, so that two imports of one register take turns at the swap.
INSERT INTO register (tenant, key, name) VALUES ($1, $2, $3)
ON CONFLICT (tenant, key) DO UPDATE SET name = register.name
RETURNING version

-- name: begin
-- A version that is being read.
INSERT INTO register_version (id, tenant, key, number, state, as_of, begun_at, report)
SELECT $1, $2, $3, coalesce(max(number), 0) + 1, 'reading', $4, $5, '{}' FROM register_version WHERE tenant = $2 AND key = $3
RETURNING number

-- name: add
-- Entries of a version; what stands there twice stands there once, since the earlier day.
INSERT INTO register_entry AS e (version, endpoint, channel, since)
SELECT $1, endpoint, channel, CASE WHEN bool_or(since IS NULL) THEN NULL ELSE min(since) END
FROM unnest($2::text[], $3::text[], $4::date[]) AS t(endpoint, channel, since)
GROUP BY endpoint, channel
ON CONFLICT (version, endpoint, channel) DO UPDATE
  SET since = CASE WHEN e.since IS NULL OR excluded.since IS NULL THEN NULL ELSE least(e.since, excluded.since) END

-- name: copy
-- What another version holds and this one not yet, a page after ($3, $4); where that page ends.
WITH page AS (
  SELECT endpoint, channel, since FROM register_entry WHERE version = $2 AND (endpoint, channel) > ($3, $4)
  ORDER BY endpoint, channel LIMIT $5
), put AS (
  INSERT INTO register_entry (version, endpoint, channel, since) SELECT $1, endpoint, channel, since FROM page
  ON CONFLICT DO NOTHING
)
SELECT endpoint, channel FROM page ORDER BY endpoint DESC, channel DESC LIMIT 1

-- name: compared
-- How many entries a version has, how many of them are new beside another, and how many of that other's are gone.
SELECT count(*) FILTER (WHERE mine.version IS NOT NULL) AS entries,
  count(*) FILTER (WHERE theirs.version IS NULL) AS added,
  count(*) FILTER (WHERE mine.version IS NULL) AS gone
FROM (SELECT * FROM register_entry WHERE version = $1) mine
FULL JOIN (SELECT * FROM register_entry WHERE version = $2) theirs USING (endpoint, channel)

-- name: take
-- Nobody decides by this tenant's registers while one changes: who has decided by them commits first, who begins waits and sees the change.
SELECT pg_advisory_xact_lock(hashtextextended('registers/' || $1::text, 0))

-- name: swap
-- The version in force from the end of this transaction on.
UPDATE register SET version = $3, as_of = $4 WHERE tenant = $1 AND key = $2

-- name: end
-- What became of a version; $5 is real time.
UPDATE register_version SET state = $2, report = coalesce($3::json, report), as_of = coalesce($4, as_of), ended_at = $5 WHERE id = $1

-- name: past
-- The other versions of a register are past.
UPDATE register_version SET state = 'past' WHERE tenant = $1 AND key = $2 AND state = 'in_force' AND id <> $3

-- name: clear
-- Take away some entries of a version.
DELETE FROM register_entry WHERE (version, endpoint, channel) IN (
  SELECT version, endpoint, channel FROM register_entry WHERE version = $1 LIMIT $2)

-- name: cleared
-- Versions that are neither in force nor being read, and those whose reading ended without a word before $1; with entries left.
SELECT v.id, v.state FROM register_version v
WHERE (v.state IN ('past', 'given_up') OR (v.state = 'reading' AND v.begun_at < $1))
  AND EXISTS (SELECT FROM register_entry e WHERE e.version = v.id) LIMIT $2

-- name: struck
-- Waiting messages of people who use an address that a version holds.
SELECT DISTINCT m.id FROM message m
JOIN address a ON a.tenant = m.tenant AND a.contact = m.contact
JOIN register_entry e ON e.version = $2 AND e.endpoint = a.endpoint
WHERE m.tenant = $1 AND m.status IN ('queued', 'deferred') ORDER BY m.id

-- name: listed
-- A tenant's registers with the report of the version in force.
SELECT r.name, v.number, v.as_of, v.ended_at, v.report::text AS report FROM register r
LEFT JOIN register_version v ON v.id = r.version
WHERE r.tenant = $1 ORDER BY r.key

-- name: versions
-- The versions of one register, the newest first.
SELECT r.name, v.number, v.state, v.as_of, v.begun_at, v.ended_at, v.report::text AS report FROM register r
JOIN register_version v ON v.tenant = r.tenant AND v.key = r.key
WHERE r.tenant = $1 AND r.key = $2 ORDER BY v.number DESC LIMIT $3

-- name: entries
-- What the registers in force hold of the named people's endpoints ($1, $2, $3).
SELECT named.tenant, named.contact, named.endpoint, r.name, x.channel, x.since, r.as_of
FROM unnest($1::text[], $2::text[], $3::text[]) AS named(tenant, contact, endpoint)
JOIN register r ON r.tenant = named.tenant AND r.version IS NOT NULL
JOIN register_entry x ON x.version = r.version AND x.endpoint = named.endpoint

-- name: read
-- When the registers in force of these tenants were read.
SELECT tenant, name, as_of FROM register WHERE tenant = ANY($1::text[]) AND version IS NOT NULL ORDER BY tenant, key

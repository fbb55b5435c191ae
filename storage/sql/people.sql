-- name: put_contacts
-- Profiles, in key order; a person met for the first time gets her subject and the key her words are sealed with.
WITH given AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[], $12::text[])
    AS t(tenant, id, subject, name, role, locale, jurisdictions, zones, household, key, residence)
), stored AS (
  INSERT INTO contact AS c (tenant, id, subject, name, role, locale, jurisdictions, zones, household, residence, created_at, updated_at)
  SELECT tenant, id, subject, name, role, locale, string_to_array(jurisdictions, E'\n'), string_to_array(zones, E'\n'), household, residence, $11, $11
  FROM given ORDER BY tenant, id
  ON CONFLICT (tenant, id) DO UPDATE SET
    name = excluded.name, role = excluded.role, locale = excluded.locale, jurisdictions = excluded.jurisdictions,
    zones = excluded.zones, household = excluded.household, residence = excluded.residence, updated_at = excluded.updated_at
  RETURNING c.subject
)
INSERT INTO vault.person_key (subject, key)
SELECT subject, key FROM given WHERE subject IN (SELECT subject FROM stored)
ON CONFLICT (subject) DO NOTHING

-- name: put_endpoints
-- The lockable rows of the addresses, in order.
INSERT INTO endpoint (tenant, digest)
SELECT DISTINCT tenant, digest FROM unnest($1::text[], $2::text[]) AS t(tenant, digest) ORDER BY tenant, digest
ON CONFLICT DO NOTHING

-- name: put_addresses
-- Replace the addresses of the named contacts ($1, $2) by those given; what she bound herself stays.
WITH given AS (
  SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::integer[])
    AS t(tenant, contact, channel, address, endpoint, kind, source, position)
), gone AS (
  DELETE FROM address a USING unnest($1::text[], $2::text[]) AS named(tenant, contact)
  WHERE a.tenant = named.tenant AND a.contact = named.contact AND a.bound_at IS NULL
    AND NOT EXISTS (SELECT FROM given g WHERE g.tenant = a.tenant AND g.contact = a.contact AND g.channel = a.channel AND g.address = a.address)
)
INSERT INTO address (tenant, contact, channel, address, endpoint, kind, source, position)
SELECT tenant, contact, channel, address, endpoint, kind, source, position FROM given
ON CONFLICT (tenant, contact, channel, address) DO UPDATE SET
  kind = excluded.kind, source = excluded.source, position = excluded.position, endpoint = excluded.endpoint

-- name: lock_contacts
-- Alone with these people until the transaction ends; in key order, so that two batches cannot wait for each other.
SELECT 1 FROM contact
WHERE (tenant, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
ORDER BY tenant, id FOR NO KEY UPDATE

-- name: contacts
-- People, once for each of their addresses, first choice first, with the key their words are sealed with.
SELECT c.tenant, c.id, c.subject, c.name, c.role, c.locale, c.jurisdictions, c.zones, c.household, c.residence, k.key,
  a.channel, a.address, a.endpoint, a.kind, a.source, i.at AS invalid
FROM unnest($1::text[], $2::text[]) AS named(tenant, id)
JOIN contact c ON c.tenant = named.tenant AND c.id = named.id
LEFT JOIN vault.person_key k ON k.subject = c.subject
LEFT JOIN address a ON a.tenant = c.tenant AND a.contact = c.id
LEFT JOIN invalid_address i ON i.tenant = a.tenant AND i.endpoint = a.endpoint AND i.channel = a.channel
ORDER BY a.position

-- name: subjects
-- Under which name people stand in the trace, and the key their words there are sealed with.
SELECT c.tenant, c.id, c.subject, k.key FROM unnest($1::text[], $2::text[]) AS named(tenant, id)
JOIN contact c ON c.tenant = named.tenant AND c.id = named.id
LEFT JOIN vault.person_key k ON k.subject = c.subject

-- name: lock_endpoints
-- The addresses' rows, in order, after the contacts.
SELECT 1 FROM endpoint
WHERE (tenant, digest) IN (SELECT * FROM unnest($1::text[], $2::text[]))
ORDER BY tenant, digest FOR NO KEY UPDATE

-- name: hold_registers
-- Whoever decides about people of these tenants holds their registers as they stand; others who decide do so too, an import waits.
SELECT count(pg_advisory_xact_lock_shared(hashtextextended('registers/' || tenant, 0)))
FROM (SELECT DISTINCT tenant FROM unnest($1::text[]) AS t(tenant) ORDER BY tenant) named

-- name: using
-- Everybody who uses an address on a channel.
SELECT tenant, contact FROM address WHERE channel = $1 AND address = $2 ORDER BY tenant, contact

-- name: sharing
-- Who of a tenant's people uses any of these addresses, as far as the limit $3 goes.
SELECT DISTINCT contact FROM address WHERE tenant = $1 AND endpoint = ANY($2::text[]) ORDER BY contact LIMIT $3

-- name: hold_addresses
-- Whoever gives somebody an address she had not: beside others who do, never beside a stranger's stop. A transaction may hold no more
-- locks than the server has room for, so that addresses share sixty-four.
SELECT count(pg_advisory_xact_lock_shared(hashtextextended('address/' || part, 0))) FROM (
  SELECT DISTINCT hashtextextended(channel || '/' || address, 0) & 63 AS part
  FROM unnest($1::text[], $2::text[]) AS t(channel, address) ORDER BY part
) named

-- name: hold_strangers
-- A stop from addresses that nobody has: nobody is given one of them meanwhile.
SELECT count(pg_advisory_xact_lock(hashtextextended('address/' || part, 0))) FROM (
  SELECT DISTINCT hashtextextended(channel || '/' || address, 0) & 63 AS part
  FROM unnest($1::text[], $2::text[]) AS t(channel, address) ORDER BY part
) named

-- name: stranger_stopped
-- The last word of an address that nobody has.
INSERT INTO stranger_stop (channel, address, at) VALUES ($1, $2, $3)
ON CONFLICT (channel, address) DO UPDATE SET at = greatest(stranger_stop.at, excluded.at)

-- name: stops_of_strangers
-- Which of these addresses told us to stop before anybody named them.
SELECT s.channel, s.address, s.at FROM unnest($1::text[], $2::text[]) AS t(channel, address)
JOIN stranger_stop s ON s.channel = t.channel AND s.address = t.address

-- name: mark_invalid
-- A provider's word that addresses are none; the first one stands.
INSERT INTO invalid_address (tenant, endpoint, channel, at, provider, code)
SELECT tenant, endpoint, channel, at, provider, code
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
  AS t(tenant, endpoint, channel, at, provider, code)
ORDER BY tenant, endpoint, channel
ON CONFLICT DO NOTHING

-- name: mark_alive
-- Addresses from which something came, or to which something got through.
DELETE FROM invalid_address
WHERE (tenant, endpoint, channel) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))

-- name: put_debts
-- Debts, in key order.
INSERT INTO debt (tenant, id, creditor, contract_signed, due, kind, updated_at)
SELECT tenant, id, creditor, contract_signed, due, kind, $7
FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::date[], $6::text[]) AS t(tenant, id, creditor, contract_signed, due, kind)
ORDER BY tenant, id
ON CONFLICT (tenant, id) DO UPDATE SET
  creditor = excluded.creditor, contract_signed = excluded.contract_signed, due = excluded.due, kind = excluded.kind,
  updated_at = excluded.updated_at

-- name: put_debt_contacts
-- Replace whom the named debts ($1, $2) tie by those given.
WITH given AS (
  SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) AS t(tenant, debt, contact, role)
), gone AS (
  DELETE FROM debt_contact d USING unnest($1::text[], $2::text[]) AS named(tenant, debt)
  WHERE d.tenant = named.tenant AND d.debt = named.debt
    AND NOT EXISTS (SELECT FROM given g WHERE g.tenant = d.tenant AND g.debt = d.debt AND g.contact = d.contact)
)
INSERT INTO debt_contact (tenant, debt, contact, role) SELECT tenant, debt, contact, role FROM given
ON CONFLICT (tenant, debt, contact) DO UPDATE SET role = excluded.role

-- name: debts
-- Debts with the people they tie.
SELECT d.tenant, d.id, d.creditor, d.contract_signed, d.due, d.kind,
  coalesce(t.contacts, '{}') AS contacts, coalesce(t.roles, '{}') AS roles
FROM unnest($1::text[], $2::text[]) AS named(tenant, id)
JOIN debt d ON d.tenant = named.tenant AND d.id = named.id
LEFT JOIN LATERAL (
  SELECT array_agg(contact ORDER BY contact) AS contacts, array_agg(role ORDER BY contact) AS roles
  FROM debt_contact WHERE debt_contact.tenant = d.tenant AND debt_contact.debt = d.id
) t ON true

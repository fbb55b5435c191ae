-- name: behind
-- Tenants whose traces have grown beyond their figures.
SELECT c.tenant FROM chain c LEFT JOIN console_cursor k ON k.tenant = c.tenant WHERE c.size > coalesce(k.idx, 0) ORDER BY 1

-- name: tenants
-- Every tenant with a chain.
SELECT tenant FROM chain ORDER BY 1

-- name: begin
-- A tenant's cursor, if it has none.
INSERT INTO console_cursor (tenant) VALUES ($1) ON CONFLICT DO NOTHING

-- name: lock
-- How far the figures have come; whoever holds the row is alone with them.
SELECT idx, zone, law FROM console_cursor WHERE tenant = $1 FOR UPDATE

-- name: advance
-- They have come further.
UPDATE console_cursor SET idx = $2, zone = coalesce($3, zone), law = coalesce($4, law) WHERE tenant = $1

-- name: entries
-- The next entries with whose they are; an erased person has no row.
SELECT t.idx, t.kind, t.at, t.message, t.header, c.id AS contact, c.zones, c.jurisdictions
FROM trace t LEFT JOIN contact c ON c.subject = t.subject
WHERE t.tenant = $1 AND t.idx >= $2 ORDER BY t.idx LIMIT $3

-- name: reservations
-- What the trace says of attempts when they were reserved, for these messages.
SELECT message, header FROM trace WHERE message = ANY ($1::uuid[]) AND kind = 'reserved'

-- name: prices
-- What attempts were expected to cost.
SELECT id, currency, expected FROM attempt WHERE id = ANY ($1::uuid[]) AND currency IS NOT NULL AND expected IS NOT NULL

-- name: decided_before
-- Decisions of these messages below an index: what was counted of them already.
SELECT message, header FROM trace WHERE message = ANY ($1::uuid[]) AND kind = 'decided' AND idx < $2

-- name: answered
-- For each reply ($2, $3, $4: contact, channel, instant): the attempt that it answers, if nothing answered that one before.
SELECT named.n, a.id AS attempt, a.message FROM unnest($2::text[], $3::text[], $4::timestamptz[]) WITH ORDINALITY AS named(contact, channel, at, n)
JOIN LATERAL (
  SELECT a.id, a.message, a.reserved_at FROM attempt a
  WHERE a.tenant = $1 AND a.contact = named.contact AND (named.channel IS NULL OR a.channel = named.channel) AND a.reserved_at <= named.at
    AND a.reserved_at > named.at - interval '7 days' AND a.state IN ('sent', 'unknown', 'delivered', 'read', 'undelivered')
  ORDER BY a.reserved_at DESC LIMIT 1
) a ON true
WHERE NOT EXISTS (
  SELECT FROM contact_event e WHERE e.tenant = $1 AND e.contact = named.contact AND e.type = $5 AND e.at > a.reserved_at
    AND e.at < named.at AND (named.channel IS NULL OR e.channel = named.channel OR e.channel IS NULL))

-- name: add_hours
-- More of what happened.
INSERT INTO console_hour AS h (tenant, day, hour, jurisdiction, channel, measure, n)
SELECT $1, * FROM unnest($2::date[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::bigint[]) ORDER BY 2, 3, 4, 5, 6
ON CONFLICT (tenant, day, hour, jurisdiction, channel, measure) DO UPDATE SET n = h.n + excluded.n

-- name: add_rules
-- More of what rules held back.
INSERT INTO console_rule AS r (tenant, day, rule, pack, effect, channel, n)
SELECT $1, * FROM unnest($2::date[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[]) ORDER BY 2, 3, 4, 5, 6
ON CONFLICT (tenant, day, rule, pack, effect, channel) DO UPDATE SET n = r.n + excluded.n

-- name: due_now
-- People to be reckoned at once, for whom something happened.
INSERT INTO console_due (tenant, contact, at)
SELECT $1, id, '-infinity' FROM contact WHERE tenant = $1 AND id = ANY ($2::text[]) ORDER BY id
ON CONFLICT (tenant, contact) DO UPDATE SET at = '-infinity' WHERE console_due.at > '-infinity'

-- name: due_first
-- People who are to be reckoned if they never were. Each is looked for by herself, in the order of the key: as an anti-join, planned
-- while nobody was reckoned yet, it held everybody who is beside each of them.
INSERT INTO console_due (tenant, contact, at)
SELECT $1, id, '-infinity' FROM contact c WHERE tenant = $1 AND id = ANY ($2::text[])
  AND (SELECT m.part FROM console_margin m WHERE m.tenant = $1 AND m.contact = c.id ORDER BY m.rule, m.part LIMIT 1) IS NULL
ORDER BY id
ON CONFLICT DO NOTHING

-- name: all_due
-- Everybody: the law or the policy is another one.
INSERT INTO console_due (tenant, contact, at) SELECT $1, id, '-infinity' FROM contact WHERE tenant = $1
ON CONFLICT (tenant, contact) DO UPDATE SET at = '-infinity'

-- name: take_due
-- Some of those whose time has come; what another worker has in hand is passed over.
SELECT contact FROM console_due WHERE tenant = $1 AND at <= $2 ORDER BY at, contact LIMIT $3 FOR UPDATE SKIP LOCKED

-- name: due_next
-- When they are to be reckoned again.
UPDATE console_due d SET at = t.at FROM unnest($2::text[], $3::timestamptz[]) AS t(contact, at)
WHERE d.tenant = $1 AND d.contact = t.contact AND d.contact = ANY ($2::text[])

-- name: not_due
-- They have no limit to be reckoned.
DELETE FROM console_due WHERE tenant = $1 AND contact = ANY ($2::text[])

-- name: drop_margins
-- What was reckoned of people before.
DELETE FROM console_margin WHERE tenant = $1 AND contact = ANY ($2::text[])

-- name: last_contacts
-- When people were last contacted.
SELECT contact, max(at) AS at FROM contact_event
WHERE tenant = $1 AND contact = ANY ($2::text[]) AND type = 'contact' AND superseded_by IS NULL AND outcome IS DISTINCT FROM 'failed'
GROUP BY contact

-- name: creditors
-- Whose debts these are.
SELECT id, creditor FROM debt WHERE tenant = $1 AND id = ANY ($2::text[]) AND creditor IS NOT NULL

-- name: add_margins
-- What was reckoned of people.
INSERT INTO console_margin (tenant, contact, rule, part, pack, jurisdiction, citation, asks, channels, debt, debts, creditors, counted,
  limit_, left_, begins, ends, frees_at, last_at, event, reckoned_at)
SELECT $1, contact, rule, part, pack, jurisdiction, citation, asks, string_to_array(channels, ','), debt,
  ARRAY(SELECT json_array_elements_text(debts::json)), ARRAY(SELECT json_array_elements_text(creditors::json)), counted, limit_, left_,
  begins, ends, frees_at, last_at, event, $20
FROM unnest($2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
  $12::text[], $13::integer[], $14::integer[], $15::integer[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[],
  $19::timestamptz[], $21::text[])
  AS t(contact, rule, part, pack, jurisdiction, citation, asks, channels, debt, debts, creditors, counted, limit_, left_, begins, ends,
    frees_at, last_at, event)

-- name: drop_ties
-- By what people ($2) were found before and are not now; what they still have ($3, $4, $5: kinds, values, contacts) is left as it is.
DELETE FROM console_tie WHERE tenant = $1 AND contact = ANY ($2::text[])
  AND (kind, value, contact) NOT IN (SELECT kind, value, contact FROM unnest($3::text[], $4::text[], $5::text[]) AS had(kind, value, contact))

-- name: add_ties
-- By what they are found.
INSERT INTO console_tie (tenant, kind, value, contact)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[]) ORDER BY 2, 3, 4 ON CONFLICT DO NOTHING

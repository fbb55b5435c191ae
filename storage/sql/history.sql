-- name: add
-- Append what happened; debts travel as JSON because unnest flattens arrays of arrays.
INSERT INTO contact_event (id, tenant, contact, at, type, channel, form, outcome, purpose, debts, endpoint, address_kind,
  creditor, collector, reply_to_inbound, role, latest, detail, words, attempt, external_id, evidence)
SELECT id, tenant, contact, at, type, channel, form, outcome, purpose,
  CASE WHEN debts IS NULL THEN NULL ELSE ARRAY(SELECT json_array_elements_text(debts::json)) END,
  endpoint, address_kind, creditor, collector, reply_to_inbound, role, latest, detail::json, words, attempt, external_id,
  evidence::json
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
  $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::boolean[], $16::text[], $17::timestamptz[], $18::text[],
  $19::text[], $20::uuid[], $21::text[], $22::text[])
  AS t(id, tenant, contact, at, type, channel, form, outcome, purpose, debts, endpoint, address_kind, creditor, collector,
    reply_to_inbound, role, latest, detail, words, attempt, external_id, evidence)
ON CONFLICT (tenant, external_id) WHERE external_id IS NOT NULL DO NOTHING RETURNING id

-- name: histories
-- Everything that counts for the named people ($1, $2), with whose it is:
--   her own single contacts from $3 to $7, and her statements since ever;
--   withdrawals and listings that others made for an address which she uses too ($4, $5, $6), as if they were hers;
--   what reached the others of her household (some laws pool a household), and statuses of others on the same debts.
SELECT e.id, e.tenant, e.at, e.type, e.channel, e.form, e.outcome, e.purpose, e.debts, e.endpoint, e.address_kind, e.creditor,
  e.collector, e.reply_to_inbound, e.role, e.latest, e.detail, e.contact AS asked, e.contact AS who
FROM unnest($1::text[], $2::text[]) AS named(tenant, contact)
JOIN contact_event e ON e.tenant = named.tenant AND e.contact = named.contact
WHERE e.superseded_by IS NULL AND (e.at BETWEEN $3 AND $7 OR e.type NOT IN ('contact', 'reply', 'inbound_call'))
UNION ALL
SELECT e.id, e.tenant, e.at, e.type, e.channel, e.form, e.outcome, e.purpose, e.debts, e.endpoint, e.address_kind, e.creditor,
  e.collector, e.reply_to_inbound, e.role, e.latest, e.detail, named.contact AS asked, named.contact AS who
FROM unnest($4::text[], $5::text[], $6::text[]) AS named(tenant, contact, endpoint)
JOIN contact_event e ON e.tenant = named.tenant AND e.endpoint = named.endpoint
  AND e.type IN ('consent', 'status', 'listed', 'not_associated')
WHERE e.contact <> named.contact AND e.superseded_by IS NULL
  AND (e.type = 'listed' OR (e.type = 'consent' AND e.detail ->> 'state' = 'withdrawn'))
UNION ALL
SELECT e.id, e.tenant, e.at, e.type, e.channel, e.form, e.outcome, e.purpose, e.debts, e.endpoint, e.address_kind, e.creditor,
  e.collector, e.reply_to_inbound, e.role, e.latest, e.detail, named.contact AS asked, e.contact AS who
FROM unnest($1::text[], $2::text[]) AS named(tenant, contact)
JOIN contact c ON c.tenant = named.tenant AND c.id = named.contact AND c.household IS NOT NULL
JOIN contact o ON o.tenant = c.tenant AND o.household = c.household AND o.id <> c.id
JOIN contact_event e ON e.tenant = o.tenant AND e.contact = o.id
WHERE e.superseded_by IS NULL AND e.type = 'contact' AND e.at BETWEEN $3 AND $7
UNION ALL
SELECT DISTINCT ON (e.id, named.contact) e.id, e.tenant, e.at, e.type, e.channel, e.form, e.outcome, e.purpose, e.debts, e.endpoint, e.address_kind, e.creditor,
  e.collector, e.reply_to_inbound, e.role, e.latest, e.detail, named.contact AS asked, e.contact AS who
FROM unnest($1::text[], $2::text[]) AS named(tenant, contact)
JOIN debt_contact mine ON mine.tenant = named.tenant AND mine.contact = named.contact
JOIN debt_contact theirs ON theirs.tenant = mine.tenant AND theirs.debt = mine.debt AND theirs.contact <> mine.contact
JOIN contact_event e ON e.tenant = theirs.tenant AND e.contact = theirs.contact AND e.type = 'status'
WHERE e.superseded_by IS NULL
ORDER BY at, id

-- name: known_external
-- Which of the CRM's event ids are known, and whose they are.
SELECT external_id, id, contact FROM contact_event WHERE tenant = $1 AND external_id = ANY($2::text[])

-- name: supersede
-- The earlier event no longer counts.
UPDATE contact_event SET superseded_by = $3 WHERE tenant = $1 AND id = $2 AND superseded_by IS NULL

-- name: settle
-- What became of reserved contacts. A latest of null is left as it stands.
UPDATE contact_event e SET outcome = t.outcome, latest = coalesce(t.latest, e.latest)
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS t(attempt, outcome, latest)
WHERE e.attempt = t.attempt AND e.attempt = ANY($1::uuid[]) AND e.type = 'contact'

-- name: call_results
-- How calls ended; $4 are the results in rising order, of which the highest stands. Several may be told at once.
UPDATE contact_event e SET
  outcome = CASE WHEN t.rank > coalesce(array_position($4::text[], e.outcome), 0) THEN ($4::text[])[t.rank] ELSE e.outcome END,
  latest = coalesce(t.latest, e.latest)
FROM (
  SELECT attempt, max(array_position($4::text[], outcome)) AS rank, max(latest) AS latest
  FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS told(attempt, outcome, latest) GROUP BY attempt
) t
WHERE e.attempt = t.attempt AND e.attempt = ANY($1::uuid[]) AND e.type = 'contact'

-- name: reply_of
-- The channel of one reply of this person's.
SELECT channel FROM contact_event WHERE tenant = $1 AND contact = $2 AND id = $3 AND type = 'reply'

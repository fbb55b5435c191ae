-- name: messages_of
-- Every message of a person.
SELECT id FROM message WHERE tenant = $1 AND contact = $2

-- name: marks_of
-- What providers call the attempts that were made for her.
SELECT id, provider, provider_id FROM attempt WHERE tenant = $1 AND contact = $2

-- name: spared
-- Everybody else of the tenant's who uses these endpoints ($3).
SELECT a.endpoint, array_agg(c.subject) AS subjects FROM address a
JOIN contact c ON c.tenant = a.tenant AND c.id = a.contact
WHERE a.tenant = $1 AND a.contact <> $2 AND a.endpoint = ANY($3::text[]) GROUP BY a.endpoint

-- name: suppress
-- From now on nobody writes to these endpoints but to those who are spared.
INSERT INTO suppression AS s (tenant, endpoint, at, spared)
SELECT tenant, endpoint, $4, CASE WHEN spared = '' THEN '{}' ELSE string_to_array(spared, ',')::uuid[] END
FROM unnest($1::text[], $2::text[], $3::text[]) AS t(tenant, endpoint, spared) ORDER BY tenant, endpoint
ON CONFLICT (tenant, endpoint) DO UPDATE SET at = greatest(s.at, excluded.at), spared = excluded.spared

-- name: suppressed
-- Which of the named people's endpoints ($1, $2, $3) are those of somebody who was erased.
SELECT named.tenant, named.contact, named.endpoint, s.at
FROM unnest($1::text[], $2::text[], $3::text[]) AS named(tenant, contact, endpoint)
JOIN suppression s ON s.tenant = named.tenant AND s.endpoint = named.endpoint
LEFT JOIN contact c ON c.tenant = named.tenant AND c.id = named.contact
WHERE c.subject IS NULL OR NOT c.subject = ANY(s.spared)

-- name: begin
-- A request that waits for what is in the air, or is done at once.
INSERT INTO erasure (id, tenant, subject, contact, why, state, asked_at, done_at, receipt)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: finish
-- Done: the receipt stays, and the name that the CRM had for her goes.
UPDATE erasure SET state = 'done', contact = NULL, done_at = $2, receipt = $3 WHERE id = $1

-- name: waiting
-- Requests that wait, the oldest first; not of people who are held since at $2, who would fill the line.
SELECT e.id, e.tenant, e.contact FROM erasure e
WHERE e.state = 'waiting' AND NOT EXISTS (
  SELECT FROM legal_hold h WHERE h.tenant = e.tenant AND h.contact = e.contact AND (h.until IS NULL OR h.until > $2)
)
ORDER BY e.asked_at LIMIT $1

-- name: waiting_of
-- The request of a person that waits.
SELECT id, why, asked_at FROM erasure WHERE tenant = $1 AND contact = $2 AND state = 'waiting'

-- name: shown
-- One request of a tenant's.
SELECT id, subject, why, state, asked_at, done_at, receipt::text AS receipt FROM erasure WHERE tenant = $1 AND id = $2

-- name: mark
-- What providers may still tell of.
INSERT INTO erased_mark (digest, at) SELECT digest, $2 FROM unnest($1::text[]) AS t(digest) ORDER BY digest ON CONFLICT DO NOTHING

-- name: marked
-- Whether any of these is the mark of something that was erased.
SELECT EXISTS (SELECT FROM erased_mark WHERE digest = ANY($1::text[]))

-- name: forget_marks
-- Marks that nobody speaks of any more.
DELETE FROM erased_mark WHERE at < $1

-- name: forget_kept
-- Hooks that nobody could place, after as long.
DELETE FROM hook_kept WHERE at < $1

-- name: hold
-- Keep a person's data whatever she asks.
INSERT INTO legal_hold (tenant, contact, reason, until, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, contact) DO UPDATE SET reason = excluded.reason, until = excluded.until, at = excluded.at

-- name: release
-- No longer.
DELETE FROM legal_hold WHERE tenant = $1 AND contact = $2 RETURNING contact

-- name: held
-- The hold that stands at $3.
SELECT reason, until, at FROM legal_hold WHERE tenant = $1 AND contact = $2 AND (until IS NULL OR until > $3)

-- name: as_eraser
-- For the rest of this transaction.
SET LOCAL ROLE tregua_eraser

-- name: as_before
-- The session's own role again.
RESET ROLE

-- name: wipe_payloads
-- The words behind entries about her; the entries and their digests stay.
DELETE FROM trace_payload p USING trace t WHERE t.tenant = $1 AND t.subject = $2 AND p.tenant = t.tenant AND p.idx = t.idx

-- name: wipe_key
-- The key that her words are sealed with: what a copy of them somewhere says can be read by nobody.
DELETE FROM vault.person_key WHERE subject = $1

-- name: wipe_deliveries
-- Events about her that wait for the CRM.
DELETE FROM crm_delivery WHERE tenant = $1 AND contact = $2

-- name: wipe_events
-- Events about her that were told.
DELETE FROM crm_event WHERE tenant = $1 AND contact = $2

-- name: wipe_media
-- What came in with her replies.
DELETE FROM media WHERE tenant = $1 AND contact = $2

-- name: wipe_debts
-- Debts that tie nobody else; the ties go with them.
DELETE FROM debt d WHERE d.tenant = $1
  AND d.id IN (SELECT debt FROM debt_contact WHERE tenant = $1 AND contact = $2)
  AND NOT EXISTS (SELECT FROM debt_contact o WHERE o.tenant = $1 AND o.debt = d.id AND o.contact <> $2)

-- name: wipe_ties
-- Her ties to debts of others.
DELETE FROM debt_contact WHERE tenant = $1 AND contact = $2

-- name: wipe_kept
-- Hooks kept raw that hold one of these spellings of her addresses.
DELETE FROM hook_kept h USING unnest($1::text[]) AS t(spelling) WHERE position(convert_to(t.spelling, 'UTF8') IN h.raw) > 0

-- name: wipe_stops
-- Words of strangers from her addresses ($1, $2); what they asked for lives on as a suppression.
DELETE FROM stranger_stop s USING unnest($1::text[], $2::text[]) AS t(channel, address)
WHERE s.channel = t.channel AND s.address = t.address RETURNING s.channel, s.address

-- name: wipe_invalid
-- What providers said of endpoints ($2) that nobody else uses.
DELETE FROM invalid_address i WHERE i.tenant = $1 AND i.endpoint = ANY($2::text[])
  AND NOT EXISTS (SELECT FROM address a WHERE a.tenant = $1 AND a.endpoint = i.endpoint AND a.contact <> $3)

-- name: wipe_attempts
-- Where messages went.
DELETE FROM attempt WHERE tenant = $1 AND contact = $2

-- name: wipe_messages
-- What messages said.
DELETE FROM message WHERE tenant = $1 AND contact = $2

-- name: wipe_statements
-- What happened to her and what she said.
DELETE FROM contact_event WHERE tenant = $1 AND contact = $2

-- name: wipe_addresses
-- Where she was reached.
DELETE FROM address WHERE tenant = $1 AND contact = $2

-- name: wipe_contact
-- The person herself, and whatever else hangs on her.
DELETE FROM contact WHERE tenant = $1 AND id = $2

-- name: outlived
-- People of whom nothing was heard since $1, with all that says which law keeps their data.
SELECT c.tenant, c.id, greatest(c.updated_at, last.at) AS at FROM contact c
LEFT JOIN LATERAL (
  SELECT max(t.at) AS at FROM (
    SELECT max(m.updated_at) AS at FROM message m WHERE m.tenant = c.tenant AND m.contact = c.id
    UNION ALL
    SELECT max(e.at) FROM contact_event e WHERE e.tenant = c.tenant AND e.contact = c.id
  ) t
) last ON true
WHERE (c.tenant, c.id) > ($2, $3) AND c.updated_at < $1 AND coalesce(last.at, c.updated_at) < $1
  AND NOT EXISTS (SELECT FROM legal_hold h WHERE h.tenant = c.tenant AND h.contact = c.id AND (h.until IS NULL OR h.until > $4))
ORDER BY c.tenant, c.id LIMIT $5

-- name: has_said
-- Whether a statement of hers that stands has one of these states or statuses.
SELECT EXISTS (
  SELECT FROM contact_event WHERE tenant = $1 AND contact = $2 AND superseded_by IS NULL AND type IN ('consent', 'status')
    AND coalesce(detail ->> 'state', detail ->> 'is') = ANY($3::text[]))

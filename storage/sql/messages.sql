-- name: take_keys
-- Claim idempotency keys, in order; a row comes back for each that is new.
INSERT INTO idempotency (tenant, key, digest, message, created_at)
SELECT tenant, key, digest, message, $5 FROM unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[]) AS t(tenant, key, digest, message)
ORDER BY tenant, key
ON CONFLICT DO NOTHING RETURNING tenant, key

-- name: drop_keys
-- Keys of refused messages, claimed by this same transaction.
DELETE FROM idempotency WHERE (tenant, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))

-- name: keys
-- What stands behind keys.
SELECT i.tenant, i.key, i.digest, i.message FROM unnest($1::text[], $2::text[]) AS named(tenant, key)
JOIN idempotency i ON i.tenant = named.tenant AND i.key = named.key

-- name: add
-- Accepted messages. A column of which all have the same comes with one value (see ``shared``).
INSERT INTO message (id, tenant, contact, status, channels, channel, ask, decision, decisions, due_at, expires_at, created_at, updated_at)
SELECT id, coalesce(tenant, ($2::text[])[1]), contact, coalesce(status, ($4::text[])[1]),
  string_to_array(coalesce(channels, ($5::text[])[1]), ','), coalesce(channel, ($6::text[])[1]), ask::json,
  coalesce(decision, ($8::text[])[1])::json, coalesce(decisions, ($9::text[])[1])::json, coalesce(due_at, ($10::timestamptz[])[1]),
  coalesce(expires_at, ($11::timestamptz[])[1]), coalesce(created_at, ($12::timestamptz[])[1]), coalesce(created_at, ($12::timestamptz[])[1])
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
  $10::timestamptz[], $11::timestamptz[], $12::timestamptz[])
  AS t(id, tenant, contact, status, channels, channel, ask, decision, decisions, due_at, expires_at, created_at)

-- name: ring
-- Heard by every dispatcher when this commits.
SELECT pg_notify('tregua_due', '')

-- name: tenants_due
-- Whose messages are due, by one step in the index for each tenant that has any waiting, resting channels ($2) among them.
WITH RECURSIVE each AS (
  (SELECT tenant, due_at FROM message WHERE (status IN ('queued', 'deferred') OR hop) ORDER BY tenant, due_at LIMIT 1)
  UNION ALL
  SELECT next.tenant, next.due_at FROM each, LATERAL (
    SELECT tenant, due_at FROM message WHERE (status IN ('queued', 'deferred') OR hop) AND tenant > each.tenant
    ORDER BY tenant, due_at LIMIT 1
  ) next
)
SELECT tenant FROM each WHERE due_at <= $1

-- name: claim_due
-- Waiting messages of these tenants ($4) that are due, or past their end: of each its oldest, so many as stand beside it ($5);
-- what another worker holds is skipped, and resting channels ($3), and what is held here already ($6).
SELECT m.* FROM unnest($4::text[], $5::integer[]) WITH ORDINALITY AS turn(tenant, share, position), LATERAL (
  SELECT * FROM message
  WHERE (status IN ('queued', 'deferred') OR hop) AND tenant = turn.tenant AND due_at <= $1
    AND NOT channel = ANY($3::text[]) AND NOT id = ANY($6::uuid[])
  ORDER BY due_at, id LIMIT turn.share FOR UPDATE SKIP LOCKED
) m
ORDER BY turn.position, m.due_at, m.id LIMIT $2

-- name: next_due
-- The earliest instant at which a waiting message wants attention.
WITH RECURSIVE each AS (
  (SELECT tenant FROM message WHERE (status IN ('queued', 'deferred') OR hop) ORDER BY tenant LIMIT 1)
  UNION ALL
  SELECT next.tenant FROM each, LATERAL (
    SELECT tenant FROM message WHERE (status IN ('queued', 'deferred') OR hop) AND tenant > each.tenant ORDER BY tenant LIMIT 1
  ) next
)
SELECT min(due.due_at) FROM each, LATERAL (
  SELECT due_at FROM message
  WHERE (status IN ('queued', 'deferred') OR hop) AND tenant = each.tenant AND NOT channel = ANY($1::text[])
  ORDER BY due_at LIMIT 1
) due

-- name: decide
-- Fresh decisions; $7 is the law's instant. The first one is kept for whoever repeats the request.
UPDATE message m SET first = coalesce(m.first, json_build_object('channel', m.channel, 'decision', m.decision, 'decisions', m.decisions)), status = t.status, channel = t.channel, decision = t.decision::json, decisions = t.decisions::json,
  due_at = t.due_at, updated_at = $7
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) AS t(id, status, channel, decision, decisions, due_at)
WHERE m.id = t.id AND m.id = ANY($1::uuid[])

-- name: move
-- New statuses; $5 is the law's instant. What was delivered after all needs no next channel.
UPDATE message m SET status = t.status, resolution = coalesce(t.resolution, m.resolution), due_at = coalesce(t.due_at, m.due_at),
  hop = m.hop AND t.status = 'undelivered', updated_at = $5
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS t(id, status, resolution, due_at)
WHERE m.id = t.id AND m.id = ANY($1::uuid[])

-- name: hop
-- Whether undelivered messages wait for their next channel, and since when they may be taken up.
UPDATE message m SET hop = t.waits AND m.status = 'undelivered', due_at = coalesce(t.due_at, m.due_at)
FROM unnest($1::uuid[], $2::boolean[], $3::timestamptz[]) AS t(id, waits, due_at)
WHERE m.id = t.id AND m.id = ANY($1::uuid[])

-- name: excuse
-- Attempts that are not counted against their messages.
UPDATE attempt SET excused = true WHERE id = ANY($1::uuid[])

-- name: lock
-- These messages, in id order, until the transaction ends.
SELECT * FROM message WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE

-- name: get
-- Messages by id.
SELECT * FROM message WHERE id = ANY($1::uuid[])

-- name: listed
-- One page of a tenant's messages, newest first; ids are time-ordered, so they are the cursor.
SELECT * FROM message
WHERE tenant = $1 AND ($2::text IS NULL OR contact = $2) AND ($3::text IS NULL OR status = $3)
  AND ($4::timestamptz IS NULL OR created_at >= $4) AND ($5::timestamptz IS NULL OR created_at < $5)
  AND ($6::uuid IS NULL OR id < $6)
ORDER BY id DESC LIMIT $7

-- name: add_attempts
-- Reserved attempts.
INSERT INTO attempt (id, tenant, message, contact, n, provider, channel, address, state, validity_seconds, reserved_at, latest, deadline, begun_at,
  expected, expected_segments, currency, booked)
SELECT id, tenant, message, contact, n, provider, channel, address, 'dispatching', validity_seconds, reserved_at, latest, deadline, begun_at,
  expected, expected_segments, currency, string_to_array(booked, ',')
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::integer[],
  $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::numeric[], $15::integer[], $16::text[], $17::text[])
  AS t(id, tenant, message, contact, n, provider, channel, address, validity_seconds, reserved_at, latest, deadline, begun_at,
    expected, expected_segments, currency, booked)

-- name: attempts
-- Attempts by id.
SELECT * FROM attempt WHERE id = ANY($1::uuid[])

-- name: messages_of
-- Which messages attempts belong to.
SELECT id, message FROM attempt WHERE id = ANY($1::uuid[])

-- name: attempts_of
-- The attempts of messages, first one first.
SELECT * FROM attempt WHERE message = ANY($1::uuid[]) ORDER BY message, n

-- name: attempts_by_provider_id
-- Which attempts a provider's ids belong to.
SELECT id, provider_id FROM attempt WHERE provider = $1 AND provider_id = ANY($2::text[])

-- name: settle_attempts
-- What is known of attempts now; $8 is the law's instant.
UPDATE attempt a SET state = t.state, provider_id = coalesce(t.provider_id, a.provider_id),
  provider_status = coalesce(t.provider_status, a.provider_status), reason = coalesce(t.reason, a.reason),
  segments = coalesce(t.segments, a.segments), lookup_at = t.lookup_at, settled_at = $8
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::timestamptz[])
  AS t(id, state, provider_id, provider_status, reason, segments, lookup_at)
WHERE a.id = t.id AND a.id = ANY($1::uuid[])

-- name: overdue_attempts
-- Attempts that nobody can still be sending.
SELECT id FROM attempt WHERE state = 'dispatching' AND deadline < $1 ORDER BY deadline LIMIT $2

-- name: lookups_due
-- Unknown attempts to look up now; moving lookup_at leases them to this process for two minutes.
WITH leased AS (
  SELECT id FROM attempt WHERE state = 'unknown' AND lookup_at <= $1 ORDER BY lookup_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE attempt a SET lookup_at = $1 + interval '2 minutes', lookups = a.lookups + 1
FROM leased, message m
WHERE a.id = leased.id AND m.id = a.message
RETURNING a.*, m.ask

-- name: absent_since
-- The first time the provider's list did not show an attempt, noted now if there was none.
UPDATE attempt SET absent_since = coalesce(absent_since, $2) WHERE id = $1 RETURNING absent_since

-- name: look_up_at
-- When to ask next.
UPDATE attempt SET lookup_at = $2 WHERE id = $1

-- name: forget_keys
-- Old idempotency keys.
DELETE FROM idempotency WHERE created_at < $1

-- name: taken_provider_ids
-- Provider ids that other attempts of the tenant own.
SELECT provider_id FROM attempt WHERE provider = $1 AND tenant = $2 AND begun_at >= $3 AND provider_id IS NOT NULL

-- name: open_contacts
-- Which of these people have an attempt in the air.
SELECT DISTINCT a.tenant, a.contact FROM unnest($1::text[], $2::text[]) AS named(tenant, contact)
JOIN attempt a ON a.tenant = named.tenant AND a.contact = named.contact AND a.state = 'dispatching'

-- name: waiting_of
-- The messages that wait for the named people.
SELECT m.id FROM unnest($1::text[], $2::text[]) AS named(tenant, contact)
JOIN message m ON m.tenant = named.tenant AND m.contact = named.contact AND (m.status IN ('queued', 'deferred') OR m.hop)

-- name: last_spoken_to
-- The last message that went to an address of each of the named people, the latest of them first.
SELECT named.tenant, named.contact, m.ask::text AS ask FROM unnest($1::text[], $2::text[]) AS named(tenant, contact)
JOIN LATERAL (
  SELECT a.message, a.begun_at FROM attempt a
  WHERE a.tenant = named.tenant AND a.contact = named.contact AND a.channel = $3 AND a.address = $4
    AND a.state NOT IN ('not_sent', 'rejected')
  ORDER BY a.begun_at DESC LIMIT 1
) a ON true
JOIN message m ON m.id = a.message
ORDER BY a.begun_at DESC

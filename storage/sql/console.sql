-- name: sign_in
-- A session begins; all instants are real.
INSERT INTO console_session (digest, tenant, key, begun_at, seen_at, expires_at) VALUES ($1, $2, $3, $4, $4, $5)

-- name: session
-- Whose session it is, while it and its key live: not past its end, not left alone since $3.
SELECT s.tenant, s.key, s.begun_at, s.seen_at, s.expires_at, k.scopes, k.label
FROM console_session s JOIN api_key k ON k.id = s.key
WHERE s.digest = $1 AND s.expires_at > $2 AND s.seen_at > $3 AND k.revoked_at IS NULL

-- name: seen
-- It is in use.
UPDATE console_session SET seen_at = $2 WHERE digest = $1

-- name: sign_out
-- It ends.
DELETE FROM console_session WHERE digest = $1

-- name: forget_sessions
-- Sessions past their end.
DELETE FROM console_session WHERE expires_at < $1

-- name: give_reason
-- Why a session looks at a person.
INSERT INTO console_reason (session, tenant, contact, reason, note, until) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (session, tenant, contact) DO UPDATE SET reason = excluded.reason, note = excluded.note, until = excluded.until

-- name: reason
-- The reason that still holds.
SELECT reason, note FROM console_reason WHERE session = $1 AND tenant = $2 AND contact = $3 AND until > $4

-- name: contact_of
-- The CRM's name of a person by ours.
SELECT id FROM contact WHERE tenant = $1 AND subject = $2

-- name: find
-- People by the CRM's name or by an address.
SELECT c.subject FROM contact c WHERE c.tenant = $1 AND c.id = $2
UNION
SELECT c.subject FROM address a JOIN contact c ON c.tenant = a.tenant AND c.id = a.contact
WHERE a.tenant = $1 AND a.channel = ANY ($4::text[]) AND a.address = $3
LIMIT 20

-- name: reason_of_event
-- The message behind an event that counted, or else the person.
SELECT e.attempt, a.message, c.subject FROM contact_event e
JOIN contact c ON c.tenant = e.tenant AND c.id = e.contact
LEFT JOIN attempt a ON a.id = e.attempt WHERE e.tenant = $1 AND e.id = $2

-- name: entries_of_message
-- The trace of one message.
SELECT idx, kind, at, header FROM trace WHERE message = $2 AND tenant = $1 ORDER BY idx

-- name: entries_of_subject
-- The trace of one person, newest first.
SELECT idx, kind, at, header FROM trace WHERE tenant = $1 AND subject = $2 ORDER BY idx DESC LIMIT $3

-- name: entry
-- One entry.
SELECT idx, kind, at, message, header, payload_digest, leaf FROM trace WHERE tenant = $1 AND idx = $2

-- name: hours
-- What happened in [$2, $3] by everything that is kept of it.
SELECT day, hour, jurisdiction, channel, measure, n FROM console_hour
WHERE tenant = $1 AND day >= $2 AND day <= $3 AND ($4::text IS NULL OR jurisdiction = $4) AND ($5::text IS NULL OR channel = $5)
  AND measure = ANY ($6::text[])

-- name: sums
-- What happened in [$2, $3], by measure.
SELECT measure, sum(n)::bigint AS n FROM console_hour
WHERE tenant = $1 AND day >= $2 AND day <= $3 AND ($4::text IS NULL OR jurisdiction = $4) AND ($5::text IS NULL OR channel = $5)
GROUP BY measure

-- name: rules
-- What rules held back in [$2, $3].
SELECT rule, pack, effect, channel, sum(n)::bigint AS n FROM console_rule
WHERE tenant = $1 AND day >= $2 AND day <= $3 AND ($4::text IS NULL OR channel = $4) GROUP BY 1, 2, 3, 4

-- name: jurisdictions
-- The laws under which something happened in [$2, $3].
SELECT DISTINCT jurisdiction FROM console_hour WHERE tenant = $1 AND day >= $2 AND day <= $3 ORDER BY 1

-- name: unknown
-- Messages whose fate nobody knows, oldest first, after an id.
SELECT m.id, m.channel, m.resolution, m.created_at, m.updated_at, c.subject, c.id AS contact, l.at AS looked_at, l.key AS looked_by,
  a.provider, a.reserved_at, a.lookups, a.reason
FROM message m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact
LEFT JOIN console_looked l ON l.tenant = m.tenant AND l.message = m.id
LEFT JOIN LATERAL (SELECT * FROM attempt a WHERE a.message = m.id ORDER BY a.n DESC LIMIT 1) a ON true
WHERE m.tenant = $1 AND m.status = 'unknown' AND ($2::uuid IS NULL OR m.id > $2) ORDER BY m.id LIMIT $3

-- name: looked
-- Somebody looked; the first one is kept.
INSERT INTO console_looked (tenant, message, key, at)
SELECT m.tenant, m.id, $3, $4 FROM message m WHERE m.tenant = $1 AND m.id = $2 AND m.status = 'unknown' ON CONFLICT DO NOTHING
RETURNING message

-- name: held
-- People whom nobody writes to because nobody is sure what they said: what holds them now, newest first.
SELECT e.id, e.at, e.contact, c.subject, c.zones, e.detail::text AS detail,
  (SELECT count(*) FROM message m WHERE m.tenant = e.tenant AND m.contact = e.contact AND (m.status IN ('queued', 'deferred') OR m.hop)) AS waiting
FROM contact_event e JOIN contact c ON c.tenant = e.tenant AND c.id = e.contact
WHERE e.tenant = $1 AND e.type = 'held' AND e.superseded_by IS NULL AND e.at <= $2 AND e.at > $2 - interval '31 days'
  AND coalesce((e.detail ->> 'ended')::boolean, false) IS FALSE AND (e.detail ->> 'until')::timestamptz > $2
  AND NOT EXISTS (
    SELECT FROM contact_event later WHERE later.tenant = e.tenant AND later.contact = e.contact AND later.type = 'held'
      AND later.superseded_by IS NULL AND (later.at, later.id) > (e.at, e.id) AND later.at <= $2)
ORDER BY e.at DESC, e.id DESC LIMIT $3

-- name: heads
-- The last signed heads.
SELECT size, root, note, at FROM signed_head WHERE tenant = $1 ORDER BY size DESC LIMIT $2

-- name: zone
-- Where the last person was whom an entry was about.
SELECT zone FROM console_cursor WHERE tenant = $1

-- name: behind
-- Entries of the trace that the figures do not hold yet.
SELECT greatest(0, c.size - coalesce(k.idx, 0)) FROM chain c LEFT JOIN console_cursor k ON k.tenant = c.tenant WHERE c.tenant = $1

-- name: counted_to
-- How far the figures have come.
SELECT idx FROM console_cursor WHERE tenant = $1

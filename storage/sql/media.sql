-- name: add
-- A sound. The same one of the same tenant is there once: whoever comes second gets the first one's id.
INSERT INTO media (id, tenant, kind, state, type, digest, seconds, body, created_at, used_at, contact)
VALUES ($1, $2, $3, 'kept', 'audio/ogg', $4, $5, $6, $7, $7, $8)
ON CONFLICT (tenant, kind, digest) WHERE kind <> 'reply' DO UPDATE SET used_at = excluded.used_at,
  contact = CASE WHEN media.contact = excluded.contact THEN media.contact END
RETURNING id, seconds, xmax = 0 AS new

-- name: same
-- A sound by what it was made from.
SELECT id, tenant, kind, state, type, seconds, body FROM media WHERE tenant = $1 AND kind = $2 AND digest = $3 AND state = 'kept'

-- name: get
-- One of a tenant's.
SELECT id, tenant, kind, state, type, seconds, body FROM media WHERE tenant = $1 AND id = $2

-- name: open
-- One by its id alone: whoever asks has proven that she may.
SELECT id, tenant, kind, state, type, seconds, body FROM media WHERE id = $1 AND state = 'kept'

-- name: used
-- Somebody still needs it; a day is near enough.
UPDATE media SET used_at = $2::timestamptz WHERE id = $1 AND used_at < $2::timestamptz - interval '1 day'

-- name: shared
-- It is said to somebody else too ($2): from now on it is not one person's.
UPDATE media SET contact = CASE WHEN contact = $2 THEN contact END WHERE id = $1 RETURNING id

-- name: known
-- Which of these are a tenant's own recordings, and how long each is.
SELECT tenant, id, seconds FROM media JOIN unnest($1::text[], $2::uuid[]) AS named(t, i) ON tenant = named.t AND id = named.i
WHERE kind = 'uploaded' AND state = 'kept'

-- name: want
-- What a reply brought: to be fetched from its provider.
INSERT INTO media (id, tenant, kind, state, contact, event, provider, source, next_at, created_at, used_at)
SELECT id, tenant, 'reply', 'wanted', contact, event, provider, source, $7, $7, $7
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[]) AS t(id, tenant, contact, event, provider, source)
ON CONFLICT DO NOTHING

-- name: lease
-- What is to be fetched now; nobody else takes it before $2.
UPDATE media SET tries = tries + 1, next_at = $2
WHERE id IN (
  SELECT id FROM media WHERE state = 'wanted' AND next_at <= $1 ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
RETURNING id, provider, source, tries

-- name: keep
-- It was fetched: where it came from is no longer needed.
UPDATE media SET state = 'kept', type = $2, digest = $3, body = $4, source = NULL, next_at = NULL, why = NULL
WHERE id = $1 AND state = 'wanted'

-- name: give_up
-- It will not be fetched.
UPDATE media SET state = 'gone', why = $2, source = NULL, next_at = NULL WHERE id = $1 AND state = 'wanted'

-- name: later
-- It could not be fetched now.
UPDATE media SET next_at = $2 WHERE id = $1 AND state = 'wanted'

-- name: erase
-- Everything that came in with the replies of one person, and what was spoken to nobody else.
DELETE FROM media WHERE tenant = $1 AND contact = $2

-- name: forget
-- Spoken notes that nobody used since $1, what came in with replies before $2, and recordings that nobody used since $3.
DELETE FROM media WHERE (kind = 'spoken' AND used_at < $1) OR (kind = 'reply' AND created_at < $2) OR (kind = 'uploaded' AND used_at < $3)

-- name: soon_spoken
-- Messages due between $1 and $2 that may have to be spoken, with whose they are and the reader's locale.
SELECT m.tenant, m.contact, m.ask::text AS ask, c.locale
FROM message m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact
WHERE m.status IN ('queued', 'deferred') AND m.due_at BETWEEN $1 AND $2
  AND ('voice' = ANY (m.channels) OR m.ask ->> 'form' = 'voice_note' OR m.ask -> 'content' -> 'audio' ->> 'speech' IS NOT NULL)
ORDER BY m.due_at LIMIT $3

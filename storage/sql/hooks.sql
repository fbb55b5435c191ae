-- name: first_seen
-- A row comes back for each word of a provider that is new.
INSERT INTO hook_seen (provider, key, at) SELECT provider, key, $3 FROM unnest($1::text[], $2::text[]) AS t(provider, key)
ORDER BY provider, key ON CONFLICT DO NOTHING RETURNING provider, key

-- name: keep
-- A hook that nobody could place.
INSERT INTO hook_kept (id, provider, kind, why, raw, at) VALUES ($1, $2, $3, $4, $5, $6)

-- name: forget
-- Words that nobody repeats any more.
DELETE FROM hook_seen WHERE at < $1

-- name: pulled_until
-- How far a provider's list has been read.
SELECT until FROM pull WHERE provider = $1

-- name: pulled
-- It has been read so far; never less far than before.
INSERT INTO pull (provider, until) VALUES ($1, $2)
ON CONFLICT (provider) DO UPDATE SET until = greatest(pull.until, excluded.until)

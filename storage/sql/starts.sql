-- name: offer
-- A new link for a person; those of hers that nobody can use any more go.
WITH gone AS (
  DELETE FROM telegram_start WHERE tenant = $2 AND contact = $3 AND expires_at <= $5
)
INSERT INTO telegram_start (digest, tenant, contact, provider, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)

-- name: open
-- How many links of a person still wait.
SELECT count(*) FROM telegram_start WHERE tenant = $1 AND contact = $2 AND used_at IS NULL AND expires_at > $3

-- name: use
-- Take a link, once: whoever comes second waits here and finds it used.
UPDATE telegram_start SET used_at = $3 WHERE digest = $1 AND provider = $2 AND used_at IS NULL AND expires_at > $3
RETURNING tenant, contact

-- name: bind
-- Her chat among her addresses, behind those that the CRM gave.
WITH lockable AS (
  INSERT INTO endpoint (tenant, digest) VALUES ($1, $4) ON CONFLICT DO NOTHING
)
INSERT INTO address (tenant, contact, channel, address, endpoint, kind, source, position, bound_at)
VALUES ($1, $2, 'telegram', $3, $4, $5, 'supplied', 1000, $6)
ON CONFLICT (tenant, contact, channel, address) DO UPDATE SET bound_at = excluded.bound_at

-- name: withdrew
-- Whether she ever took back what covers Telegram, as far as no correction says otherwise.
SELECT EXISTS (
  SELECT FROM contact_event
  WHERE tenant = $1 AND contact = $2 AND type = 'consent' AND superseded_by IS NULL
    AND detail->>'state' = 'withdrawn' AND (channel IS NULL OR channel = 'telegram')
)

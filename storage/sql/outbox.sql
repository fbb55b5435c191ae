-- name: add
-- Events, and a waiting delivery for each endpoint of the tenant that wants them; whoever delivers is told. A column of which all
-- have the same comes with one value (see ``shared``).
WITH given AS (
  INSERT INTO crm_event (id, tenant, contact, type, body, occurred_at)
  SELECT id, coalesce(tenant, ($2::text[])[1]), contact, coalesce(type, ($4::text[])[1]), body::json,
    coalesce(occurred_at, ($6::timestamptz[])[1])
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) WITH ORDINALITY
    AS t(id, tenant, contact, type, body, occurred_at, ord) ORDER BY ord
  RETURNING id, tenant, contact, type, seq
), lined AS (
  INSERT INTO crm_delivery (endpoint, event, tenant, contact, seq, state, next_at, first_at)
  SELECT p.id, g.id, g.tenant, g.contact, g.seq, 'waiting', $7, $7
  FROM given g JOIN crm_endpoint p ON p.tenant = g.tenant AND (p.types = '{}' OR g.type = ANY(p.types))
  RETURNING 1
)
SELECT pg_notify('tregua_outbox', '') WHERE EXISTS (SELECT FROM lined)

-- name: lease
-- Due deliveries that are the first waiting one of their contact at their endpoint; moving next_at leases them. Whoever stands
-- behind a delivery that failed is due no earlier than it (see told), so heads are found among the first $4 that are due.
WITH ripe AS MATERIALIZED (
  SELECT endpoint, event, contact FROM crm_delivery
  WHERE state = 'waiting' AND next_at <= $1 ORDER BY next_at, seq LIMIT $4
), heads AS MATERIALIZED (
  SELECT r.endpoint, r.event FROM ripe r
  WHERE r.event = (
    SELECT line.event FROM crm_delivery line
    WHERE line.endpoint = r.endpoint AND line.contact = r.contact AND line.state = 'waiting' ORDER BY line.seq LIMIT 1
  )
  LIMIT $2
), due AS MATERIALIZED (
  SELECT d.endpoint, d.event FROM crm_delivery d
  WHERE (d.endpoint, d.event) IN (SELECT endpoint, event FROM heads) AND d.state = 'waiting' AND d.next_at <= $1
  FOR UPDATE SKIP LOCKED
)
UPDATE crm_delivery d SET next_at = $1 + make_interval(secs => $3), tries = d.tries + 1
FROM due, crm_event e, crm_endpoint p
WHERE d.endpoint = due.endpoint AND d.event = due.event AND e.id = d.event AND p.id = d.endpoint
RETURNING d.endpoint, p.url, CASE WHEN p.old_until > $1 THEN p.secrets ELSE p.secrets[1:1] END AS secrets, d.event, d.tenant, e.type, e.body::text AS body, e.occurred_at, d.tries, d.first_at, d.seq

-- name: told
-- How deliveries went; who stands in line behind one that failed waits as long as it does.
WITH given AS (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::integer[], $6::text[])
    AS t(endpoint, event, state, next_at, status, error)
), went AS (
  UPDATE crm_delivery d SET state = t.state, next_at = t.next_at, last_status = t.status, last_error = t.error
  FROM given t WHERE d.endpoint = t.endpoint AND d.event = t.event AND d.event = ANY($2::uuid[])
  RETURNING d.endpoint, d.contact, d.seq, d.state, d.next_at
)
UPDATE crm_delivery behind SET next_at = went.next_at FROM went
WHERE went.state = 'waiting' AND behind.endpoint = went.endpoint AND behind.contact = went.contact AND behind.state = 'waiting'
  AND behind.seq > went.seq AND behind.next_at < went.next_at

-- name: next_due
-- When the next delivery is due, among those that are first in their line.
SELECT min(next_at) FROM crm_delivery WHERE state = 'waiting'

-- name: put_endpoint
-- A new endpoint.
INSERT INTO crm_endpoint (id, tenant, url, secrets, types, created_at) VALUES ($1, $2, $3, $4, $5, $6)

-- name: endpoints
-- A tenant's endpoints.
SELECT * FROM crm_endpoint WHERE tenant = $1 ORDER BY created_at, id

-- name: put_secret
-- A new secret before the one that signs now; both sign until $4, and what was older signs no more.
UPDATE crm_endpoint SET secrets = ARRAY[$3::text, secrets[1]], old_until = $4 WHERE tenant = $1 AND id = $2 RETURNING true

-- name: drop_endpoint
-- Remove an endpoint with its deliveries.
WITH gone AS (DELETE FROM crm_endpoint WHERE tenant = $1 AND id = $2 RETURNING id),
lines AS (DELETE FROM crm_delivery d USING gone WHERE d.endpoint = gone.id)
SELECT true FROM gone

-- name: forget_orphans
-- Deliveries whose endpoint is gone: an event that was added in the same moment.
DELETE FROM crm_delivery d WHERE d.state = 'waiting' AND NOT EXISTS (SELECT FROM crm_endpoint p WHERE p.id = d.endpoint)

-- name: deliveries
-- The last deliveries to an endpoint.
SELECT d.event, e.type, d.state, d.tries, d.next_at, d.first_at, d.last_status, d.last_error
FROM crm_delivery d JOIN crm_event e ON e.id = d.event
WHERE d.tenant = $1 AND d.endpoint = $2 ORDER BY d.seq DESC LIMIT $3

-- name: retry
-- One delivery back in line, with three fresh days; whoever delivers is told.
WITH again AS (
  UPDATE crm_delivery SET state = 'waiting', next_at = $4, first_at = $4, tries = 0
  WHERE tenant = $1 AND endpoint = $2 AND event = $3 RETURNING true AS found
), rung AS (SELECT pg_notify('tregua_outbox', ''))
SELECT found FROM again, rung

-- name: replay
-- Every event since an instant that the endpoint wants, in line again.
WITH again AS (
  INSERT INTO crm_delivery (endpoint, event, tenant, contact, seq, state, next_at, first_at)
  SELECT p.id, e.id, e.tenant, e.contact, e.seq, 'waiting', $4, $4
  FROM crm_endpoint p JOIN crm_event e ON e.tenant = p.tenant AND (p.types = '{}' OR e.type = ANY(p.types))
  WHERE p.tenant = $1 AND p.id = $2 AND e.occurred_at >= $3
  ON CONFLICT (endpoint, event) DO UPDATE SET state = 'waiting', next_at = $4, first_at = $4, tries = 0
  RETURNING 1
), rung AS (SELECT pg_notify('tregua_outbox', ''))
SELECT count(*) FROM again, rung

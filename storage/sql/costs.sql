-- name: hold
-- These budgets, locked in key order; one that was not there yet begins at nothing.
INSERT INTO budget (tenant, id, ends)
SELECT tenant, id, ends FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS t(tenant, id, ends) ORDER BY tenant, id
ON CONFLICT (tenant, id) DO UPDATE SET spent = budget.spent
RETURNING tenant, id, spent

-- name: book
-- More is spent of budgets that are locked here.
UPDATE budget b SET spent = b.spent + t.amount
FROM unnest($1::text[], $2::text[], $3::numeric[]) AS t(tenant, id, amount) WHERE b.tenant = t.tenant AND b.id = t.id

-- name: hold_booked
-- The budgets that these attempts count under, locked in key order.
SELECT b.tenant, b.id FROM budget b
WHERE (b.tenant, b.id) IN (SELECT a.tenant, unnest(a.booked) FROM attempt a WHERE a.id = ANY($1::uuid[]))
ORDER BY b.tenant, b.id FOR UPDATE

-- name: settle
-- What attempts cost after all; their budgets are told the difference.
WITH given AS (
  SELECT * FROM unnest($1::uuid[], $2::numeric[], $3::text[]) AS t(attempt, actual, currency)
), was AS (
  SELECT a.id, a.tenant, a.booked, g.actual, g.currency, g.actual - coalesce(a.actual, a.expected, 0) AS more
  FROM given g JOIN attempt a ON a.id = g.attempt WHERE a.currency IS NULL OR a.currency = g.currency
), by_budget AS (
  SELECT w.tenant, line.id, sum(w.more) AS more FROM was w, unnest(w.booked) AS line(id) GROUP BY w.tenant, line.id
), told AS (
  UPDATE budget b SET spent = b.spent + s.more FROM by_budget s WHERE b.tenant = s.tenant AND b.id = s.id
)
UPDATE attempt a SET actual = w.actual, currency = w.currency FROM was w WHERE a.id = w.id

-- name: unbilled
-- Attempts by a way that its provider has not billed yet, of those made between two ids, in the order of their making.
SELECT id, provider_id, begun_at FROM attempt
WHERE id > $2 AND id < $3 AND provider = $1 AND provider_id IS NOT NULL AND NOT EXISTS (SELECT FROM billed b WHERE b.attempt = attempt.id)
  AND state IN ('sent', 'delivered', 'read', 'undelivered')
ORDER BY id LIMIT $4

-- name: messages_unbilled
-- The messages of attempts that are still not billed.
SELECT id, message FROM attempt WHERE id = ANY($1::uuid[]) AND NOT EXISTS (SELECT FROM billed b WHERE b.attempt = attempt.id)

-- name: billed
-- What a provider billed is stored for these.
INSERT INTO billed (attempt, at) SELECT unnest($1::uuid[]), $2 ON CONFLICT DO NOTHING

-- name: asked_up_to
-- How far a round of asking for bills has come.
SELECT after FROM bill WHERE provider = $1 AND round = $2

-- name: asked
-- It has come so far; never less far than before.
INSERT INTO bill (provider, round, after) VALUES ($1, $2, $3)
ON CONFLICT (provider, round) DO UPDATE SET after = greatest(bill.after, excluded.after)

-- name: forget
-- Budgets whose period was over long ago.
DELETE FROM budget WHERE ends < $1

-- name: sums
-- What a tenant's attempts cost in a span, added up by one thing ($6). A message about several debts is shared evenly among
-- them; an empty key: it named no campaign, or was about no debt. Messages are read only where what is asked for stands in them.
WITH cost AS (
  SELECT a.message, a.currency, a.expected,
    CASE WHEN a.actual IS NOT NULL THEN a.actual WHEN a.segments IS NOT NULL THEN a.expected END AS actual,
    CASE $6 WHEN 'debt' THEN greatest(json_array_length(m.ask -> 'debts'), 1) ELSE 1 END AS share,
    CASE $6
      WHEN 'tenant' THEN a.tenant
      WHEN 'channel' THEN a.channel
      WHEN 'provider' THEN a.provider
      WHEN 'contact' THEN a.contact
      WHEN 'message' THEN 'msg_' || replace(a.message::text, '-', '')
      WHEN 'campaign' THEN coalesce(m.ask -> 'metadata' ->> 'campaign', '')
      WHEN 'debt' THEN coalesce(debt.id, '')
    END AS key
  FROM attempt a
  LEFT JOIN message m ON m.id = CASE WHEN $6 IN ('campaign', 'debt') THEN a.message END
  LEFT JOIN LATERAL json_array_elements_text(CASE $6 WHEN 'debt' THEN m.ask -> 'debts' END) AS debt(id) ON true
  WHERE a.tenant = $1 AND a.currency IS NOT NULL AND a.reserved_at >= $2 AND a.reserved_at < $3
)
SELECT key, currency, count(DISTINCT message) AS messages, count(*) AS attempts,
  sum(expected / share) AS expected, sum(actual / share) AS actual, sum(coalesce(actual, expected) / share) AS spent
FROM cost GROUP BY key, currency ORDER BY key, currency LIMIT $5 OFFSET $4

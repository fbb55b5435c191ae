-- name: events
-- Everything that happened to a person and that she said, oldest first; contacts that are attempts stand with their message.
SELECT id, at, type, channel, form, outcome, purpose, debts, endpoint, creditor, collector, role, detail::text AS detail, words,
  external_id, evidence::text AS evidence
FROM contact_event WHERE tenant = $1 AND contact = $2 AND attempt IS NULL ORDER BY at, id

-- name: messages
-- Her messages with what was tried, oldest first.
SELECT m.id, m.created_at, m.status, m.channel, m.ask::text AS ask, m.decision::text AS decision,
  coalesce((SELECT json_agg(json_build_object('id', a.id, 'provider', a.provider, 'channel', a.channel, 'address', a.address,
      'state', a.state, 'at', a.reserved_at) ORDER BY a.n) FROM attempt a WHERE a.message = m.id), '[]')::text AS attempts
FROM message m WHERE m.tenant = $1 AND m.contact = $2 ORDER BY m.created_at, m.id

-- name: debts
-- Debts that tie her.
SELECT d.id, t.role, d.creditor, d.contract_signed, d.due, d.kind FROM debt_contact t
JOIN debt d ON d.tenant = t.tenant AND d.id = t.debt WHERE t.tenant = $1 AND t.contact = $2 ORDER BY d.id

-- name: told
-- What the CRM was told of her.
SELECT type, occurred_at AS at FROM crm_event WHERE tenant = $1 AND contact = $2 ORDER BY seq

-- name: entries
-- How many entries of the trace speak of her.
SELECT count(*) FROM trace t JOIN contact c ON c.subject = t.subject WHERE t.tenant = $1 AND c.tenant = $1 AND c.id = $2

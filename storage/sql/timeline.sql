-- name: timeline
-- One page of everything that happened with a person ($1, $2), newest first, from below (at, rank, key) of the page before.
-- What the trace alone keeps of her (decisions, receipts) is read from its headers; a reserved contact is its attempt.
SELECT * FROM (
  SELECT m.created_at AS at, 0 AS rank, m.id::text AS key, 'message' AS type, m.channel,
    json_build_object('message', m.id, 'status', m.status, 'channels', m.channels, 'purpose', m.ask -> 'purpose',
      'debts', m.ask -> 'debts', 'resolution', m.resolution)::text AS data, NULL::text AS detail, NULL::text AS address
  FROM message m WHERE m.tenant = $1 AND m.contact = $2
  UNION ALL
  SELECT t.at, CASE t.kind WHEN 'decided' THEN 1 ELSE 3 END, lpad(t.idx::text, 19, '0'),
    CASE t.kind WHEN 'decided' THEN 'decision' ELSE 'receipt' END,
    coalesce(convert_from(t.header, 'UTF8')::json -> 'facts' ->> 'channel', m.channel),
    json_build_object('message', t.message, 'index', t.idx)::text, (convert_from(t.header, 'UTF8')::json -> 'facts')::text, NULL
  FROM trace t LEFT JOIN message m ON m.id = t.message
  WHERE t.tenant = $1 AND t.subject = (SELECT subject FROM contact WHERE tenant = $1 AND id = $2) AND t.kind IN ('decided', 'receipt')
  UNION ALL
  SELECT a.reserved_at, 2, a.id::text, 'attempt', a.channel,
    json_build_object('attempt', a.id, 'message', a.message, 'provider', a.provider, 'provider_id', a.provider_id,
      'provider_status', a.provider_status, 'state', a.state, 'reason', a.reason, 'segments', a.segments)::text, NULL, a.address
  FROM attempt a JOIN message m ON m.id = a.message WHERE m.tenant = $1 AND m.contact = $2
  UNION ALL
  SELECT e.at, 4, e.id::text,
    CASE WHEN e.type = 'reply' THEN 'reply' WHEN e.type IN ('contact', 'inbound_call') THEN 'contact_event' ELSE 'statement' END,
    e.channel,
    json_build_object('event', e.type, 'id', e.external_id, 'form', e.form, 'outcome', e.outcome, 'purpose', e.purpose,
      'debts', e.debts, 'address_kind', e.address_kind, 'creditor', e.creditor, 'collector', e.collector,
      'text', e.words, 'evidence', e.evidence::jsonb - 'address', 'corrected_by', e.superseded_by,
      'media', (SELECT json_agg('med_' || replace(b.id::text, '-', '') ORDER BY b.id) FROM media b WHERE b.event = e.id))::text,
    e.detail::text, hers.address
  FROM contact_event e
  LEFT JOIN LATERAL (
    SELECT a.address FROM address a WHERE a.tenant = e.tenant AND a.contact = e.contact AND a.endpoint = e.endpoint
    ORDER BY (a.channel = e.channel) DESC NULLS LAST, a.channel LIMIT 1
  ) hers ON true
  WHERE e.tenant = $1 AND e.contact = $2 AND e.attempt IS NULL
) happened
WHERE $3::timestamptz IS NULL OR (at, rank, key) < ($3, $4::integer, $5::text)
ORDER BY at DESC, rank DESC, key DESC LIMIT $6

-- name: consents
-- One page of what a person allowed and took back, newest first, with what proves it.
SELECT e.id, e.at, e.channel, e.endpoint, e.purpose, e.debts, e.detail::text AS detail, e.words, e.external_id, e.superseded_by,
  e.evidence::text AS evidence,
  hers.address
FROM contact_event e
LEFT JOIN LATERAL (
  SELECT a.address FROM address a WHERE a.tenant = e.tenant AND a.contact = e.contact AND a.endpoint = e.endpoint
  ORDER BY (a.channel = e.channel) DESC NULLS LAST, a.channel LIMIT 1
) hers ON true
WHERE e.tenant = $1 AND e.contact = $2 AND e.type = 'consent'
  AND ($3::timestamptz IS NULL OR (e.at, e.id) < ($3, $4::uuid)) AND ($6::timestamptz IS NULL OR e.at <= $6)
ORDER BY e.at DESC, e.id DESC LIMIT $5

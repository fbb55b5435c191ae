-- name: inbox
-- What lies in a person's inbox: messages of the channel web that were put there, newest first.
SELECT a.id, a.state, a.reserved_at, a.provider, m.ask::text AS ask FROM attempt a JOIN message m ON m.id = a.message
WHERE a.tenant = $1 AND a.contact = $2 AND a.channel = 'web' AND a.state IN ('sent', 'delivered', 'read')
ORDER BY a.begun_at DESC, a.id DESC LIMIT $3

-- name: contacts
-- Contacts with a person since $3, newest first: made here (with the channel and state of their attempt) or told by the CRM; and hers.
SELECT * FROM (
  SELECT a.reserved_at AS at, 'contact' AS type, a.channel, a.state AS outcome FROM attempt a
  WHERE a.tenant = $1 AND a.contact = $2 AND a.reserved_at >= $3 AND a.state NOT IN ('not_sent', 'rejected', 'dispatching')
  UNION ALL
  SELECT e.at, e.type, e.channel, e.outcome FROM contact_event e
  WHERE e.tenant = $1 AND e.contact = $2 AND e.at >= $3 AND e.attempt IS NULL AND e.superseded_by IS NULL
    AND e.type IN ('contact', 'reply', 'inbound_call')
) happened ORDER BY at DESC LIMIT $4

-- name: knows
-- Whether the endpoint is one of the tenant's.
SELECT EXISTS (SELECT FROM crm_endpoint WHERE tenant = $1 AND id = $2)

-- name: count
-- How many endpoints a tenant has.
SELECT count(*) FROM crm_endpoint WHERE tenant = $1

-- name: page
-- One page of the deliveries to an endpoint, newest event first.
SELECT d.event, e.type, d.contact, d.state, d.tries, d.next_at, d.first_at, d.last_status, d.last_error, d.seq, e.occurred_at
FROM crm_delivery d JOIN crm_event e ON e.id = d.event
WHERE d.tenant = $1 AND d.endpoint = $2 AND ($3::bigint IS NULL OR d.seq < $3)
ORDER BY d.seq DESC LIMIT $4

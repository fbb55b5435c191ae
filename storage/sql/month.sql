-- name: busy
-- Whether anything is still in hand: attempts since an id ($1, seconds ago in real time) that have no ending yet, or no receipt.
SELECT EXISTS (SELECT FROM attempt WHERE id >= $1 AND state IN ('dispatching', 'sent'))

-- name: open
-- Whether attempts are in the air.
SELECT EXISTS (SELECT FROM attempt WHERE state = 'dispatching')

-- name: statuses
-- How many messages of a tenant stand how.
SELECT status, count(*) AS number FROM message WHERE tenant = $1 GROUP BY status ORDER BY status

-- name: events
-- How many events of each type a tenant's people have.
SELECT type, count(*) AS number FROM contact_event WHERE tenant = $1 GROUP BY type ORDER BY type

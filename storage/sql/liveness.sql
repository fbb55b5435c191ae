-- name: beat
-- One beat, on the database's real clock.
WITH old AS (DELETE FROM heartbeat WHERE at < clock_timestamp() - interval '1 day')
INSERT INTO heartbeat (process, kind, at) VALUES ($1, $2, clock_timestamp())
ON CONFLICT (process) DO UPDATE SET at = excluded.at

-- name: alive
-- Whether a process of a kind has beaten within an interval.
SELECT EXISTS (SELECT FROM heartbeat WHERE kind = $1 AND at > clock_timestamp() - $2::interval)

-- name: leave
-- A process that ended in good order.
DELETE FROM heartbeat WHERE process = $1

-- name: migrations
-- What this database has been brought to.
SELECT name FROM migration

-- name: depth
-- Waiting messages that are due.
SELECT count(*) AS due, min(due_at) AS oldest FROM message WHERE (status IN ('queued', 'deferred') OR hop) AND due_at <= $1

-- name: queues
-- What waits beside messages that are due: events to CRMs, what nobody took, what may have left; and who works. Real time ($1).
SELECT
  (SELECT count(*) FROM crm_delivery WHERE state = 'waiting' AND next_at <= $1) AS deliveries_due,
  (SELECT min(next_at) FROM crm_delivery WHERE state = 'waiting' AND next_at <= $1) AS deliveries_oldest,
  (SELECT count(*) FROM crm_delivery WHERE state = 'parked') AS deliveries_parked,
  (SELECT count(*) FROM message WHERE status = 'unknown') AS unknown,
  (SELECT count(*) FROM heartbeat WHERE kind = 'worker' AND at > $1 - $2::interval) AS workers

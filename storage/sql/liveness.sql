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

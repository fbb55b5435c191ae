-- name: real
-- The database's clock at this instant (not at the start of the transaction: it is read after the locks).
SELECT clock_timestamp()

-- name: shifted
-- The sandbox's instant and the real one, from one reading.
SELECT t.real, t.real + coalesce((SELECT shift FROM sandbox_clock), interval '0') AS legal
FROM (SELECT clock_timestamp() AS real) t

-- name: set
-- The shift that makes it $1 now; whoever waits for due work is told.
WITH moved AS (
  INSERT INTO sandbox_clock (one, shift) VALUES (true, $1 - clock_timestamp())
  ON CONFLICT (one) DO UPDATE SET shift = excluded.shift RETURNING 1
)
SELECT pg_notify('tregua_due', '') FROM moved

-- name: advance
-- Add $1 to the shift; whoever waits for due work is told.
WITH moved AS (
  INSERT INTO sandbox_clock (one, shift) VALUES (true, $1)
  ON CONFLICT (one) DO UPDATE SET shift = sandbox_clock.shift + excluded.shift RETURNING 1
)
SELECT pg_notify('tregua_due', '') FROM moved

-- name: reset
-- Real time again; whoever waits for due work is told.
WITH moved AS (DELETE FROM sandbox_clock RETURNING 1)
SELECT pg_notify('tregua_due', '')

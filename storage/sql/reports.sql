-- name: put
-- A report that somebody asked for; nothing where the tenant has too many open.
INSERT INTO report (id, tenant, format, ask, contact, state, at, expires_at)
SELECT $1, $2, $3, $4::json, $5, 'waiting', $6, clock_timestamp() + $7::interval
WHERE (SELECT count(*) FROM report WHERE tenant = $2 AND state IN ('waiting', 'making')) < $8
RETURNING id

-- name: show
-- One report of a tenant's that has not expired.
SELECT * FROM report WHERE tenant = $1 AND id = $2 AND expires_at > clock_timestamp()

-- name: claim
-- The oldest report that nobody makes: fresh ones, and those whose maker fell silent.
UPDATE report SET state = 'making', tries = tries + 1, done = 0, lease = clock_timestamp() + $1::interval
WHERE id = (
  SELECT id FROM report WHERE state = 'waiting' OR (state = 'making' AND lease < clock_timestamp())
  ORDER BY at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING *

-- name: clear
-- What an earlier try left.
DELETE FROM report_part WHERE report = $1

-- name: add
-- One more part, in the hands of whoever holds the lease.
INSERT INTO report_part (report, n, tenant, bytes) SELECT id, $3, tenant, $4 FROM report WHERE id = $1 AND tries = $2 AND state = 'making'
FOR SHARE
RETURNING n

-- name: advance
-- How far it is; false when somebody else makes it by now, or it is gone.
UPDATE report SET done = $3, total = $4, lease = clock_timestamp() + $5::interval
WHERE id = $1 AND tries = $2 AND state = 'making' RETURNING true

-- name: finish
-- It is ready.
UPDATE report SET state = 'ready', sha256 = $3, size = $4, lease = NULL WHERE id = $1 AND tries = $2 AND state = 'making' RETURNING true

-- name: fail
-- It cannot be made.
UPDATE report SET state = 'failed', lease = NULL WHERE id = $1 AND tries = $2 RETURNING true

-- name: part
-- One part of a report of the tenant's.
SELECT bytes FROM report_part WHERE tenant = $1 AND report = $2 AND n = $3

-- name: expire
-- Reports past their time.
DELETE FROM report WHERE expires_at <= clock_timestamp() RETURNING id

-- name: people_count
-- How many people a report is about: one ($2), those of a law ($3), or everybody.
SELECT count(*) FROM contact c
WHERE c.tenant = $1 AND ($2::text IS NULL OR c.id = $2) AND ($3::text IS NULL OR $3 = ANY (c.jurisdictions))

-- name: recount
-- Counted anew from the trace alone: per person and counting rule the contacts of the period, and the most that counted at once when
-- one of them was made. Uses the tables of ``recheck``, laid out in the same transaction.
CREATE TEMP TABLE report_again ON COMMIT DROP AS
WITH bound AS (
  SELECT DISTINCT subject, label FROM recheck_contact, unnest(packs) AS label WHERE ours
), place AS (
  SELECT DISTINCT ON (subject) subject, zones FROM recheck_contact WHERE zones <> '{}' ORDER BY subject, idx DESC
), asked AS MATERIALIZED (
  -- ``alone``: nobody contacted her so shortly before that a rule which counts could look at it.
  SELECT c, debt, w.zones, k.label, k.rule, k.params, k.reach, c.ours AND c.idx NOT IN (SELECT idx FROM recheck_close) AS alone
  FROM recheck_contact c
  JOIN bound b ON b.subject = c.subject
  JOIN place w ON w.subject = c.subject
  JOIN recheck_clause k ON k.label = b.label AND k.kind = 'count' AND c.at >= k.since AND (k.until IS NULL OR c.at < k.until)
    AND (c.at AT TIME ZONE w.zones[1])::date BETWEEN k.begins AND coalesce(k.ends, 'infinity')
    AND k.params ->> 'counts' <> 'two_way' AND NOT coalesce((k.params ->> 'after_conversation')::boolean, false)
    AND NOT k.params ? 'pool',
  LATERAL unnest(CASE WHEN k.params -> 'by' ? 'debt' AND c.debts <> '{}' THEN c.debts ELSE ARRAY[NULL] END) AS debt
  WHERE NOT c.gone AND c.at >= current_setting('report.since')::timestamptz AND c.at < current_setting('report.until')::timestamptz
), counted AS (
  SELECT (a.c).subject, a.label, a.rule, (a.c).idx, 1 AS n, true AS itself FROM asked a
  WHERE a.alone AND pg_temp.same(a.c, a.c, a.debt, a.params)
  UNION ALL
  SELECT (a.c).subject, a.label, a.rule, (a.c).idx, n.n, n.itself FROM asked a,
  LATERAL (
    SELECT count(*) AS n, bool_or(e.idx = (a.c).idx) AS itself FROM recheck_contact e
    WHERE e.subject = (a.c).subject AND e.at > (a.c).at - a.reach AND e.at <= (a.c).at AND pg_temp.same(a.c, e, a.debt, a.params)
      AND pg_temp.counting(e.at, (a.c).at, a.zones, a.params)
  ) n
  WHERE NOT a.alone
)
SELECT p.id AS contact, d.rule, d.label, count(DISTINCT d.idx) FILTER (WHERE d.itself) AS contacts, max(d.n) AS peak
FROM counted d JOIN contact p ON p.tenant = current_setting('report.tenant') AND p.subject = d.subject::uuid
WHERE d.itself GROUP BY 1, 2, 3

-- name: figures
-- What the report says of each person and rule, copied in to be held against that.
CREATE TEMP TABLE report_figure (contact text NOT NULL, rule text NOT NULL, label text NOT NULL, contacts bigint NOT NULL, peak bigint NOT NULL)
ON COMMIT DROP

-- name: compared
-- How many figures there are twice, how many differ, and how many of a rule that the trace alone does not know.
SELECT count(a.contact) AS compared,
  count(a.contact) FILTER (WHERE (a.contacts, a.peak) <> (f.contacts, f.peak)) AS differing,
  count(*) FILTER (WHERE a.contact IS NULL AND (f.contacts, f.peak) <> (0, 0)) AS missing
FROM report_figure f LEFT JOIN report_again a ON a.contact = f.contact AND a.rule = f.rule AND a.label = f.label

-- name: differing
-- The first that differ.
SELECT f.contact, f.rule, f.contacts, f.peak, a.contacts AS contacts_again, a.peak AS peak_again
FROM report_figure f JOIN report_again a ON a.contact = f.contact AND a.rule = f.rule AND a.label = f.label
WHERE (a.contacts, a.peak) <> (f.contacts, f.peak) ORDER BY f.contact COLLATE "C", f.rule, f.label LIMIT $1

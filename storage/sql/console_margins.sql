-- name: worst
-- People and limits by what is left, worst first, from below a place; the index holds them in this order.
SELECT m.*, c.subject FROM console_margin m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact
WHERE m.tenant = $1 AND (m.left_, m.below_, m.contact, m.rule, m.part) > ($6::integer, $7::integer, $8::text, $9::text, $10::smallint)
  AND ($2::text IS NULL OR m.channels @> ARRAY[$2]) AND ($3::text IS NULL OR m.creditors @> ARRAY[$3])
  AND ($4::timestamptz IS NULL OR m.last_at >= $4) AND ($5::text IS NULL OR m.jurisdiction = $5)
ORDER BY m.left_, m.below_, m.contact, m.rule, m.part LIMIT $11

-- name: worst_of_law
-- The same of one law ($12).
SELECT m.*, c.subject FROM console_margin m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact
WHERE m.tenant = $1 AND m.jurisdiction = $12
  AND (m.left_, m.below_, m.contact, m.rule, m.part) > ($6::integer, $7::integer, $8::text, $9::text, $10::smallint)
  AND ($2::text IS NULL OR m.channels @> ARRAY[$2]) AND ($3::text IS NULL OR m.creditors @> ARRAY[$3])
  AND ($4::timestamptz IS NULL OR m.last_at >= $4) AND ($5::text IS NULL OR m.jurisdiction = $5)
ORDER BY m.left_, m.below_, m.contact, m.rule, m.part LIMIT $11

-- name: worst_of_rule
-- The same of one rule ($12), whose name need not be compared.
SELECT m.*, c.subject FROM console_margin m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact
WHERE m.tenant = $1 AND m.rule = $12 AND $9::text IS NOT NULL
  AND (m.left_, m.below_, m.contact, m.part) > ($6::integer, $7::integer, $8::text, $10::smallint)
  AND ($2::text IS NULL OR m.channels @> ARRAY[$2]) AND ($3::text IS NULL OR m.creditors @> ARRAY[$3])
  AND ($4::timestamptz IS NULL OR m.last_at >= $4) AND ($5::text IS NULL OR m.jurisdiction = $5)
ORDER BY m.left_, m.below_, m.contact, m.rule, m.part LIMIT $11

-- name: worst_of_few
-- The same of the few people who are tied to a debt, creditor or channel ($12, $13): all of theirs, then sorted.
WITH few AS MATERIALIZED (SELECT contact FROM console_tie WHERE tenant = $1 AND kind = $12 AND value = $13 ORDER BY contact),
theirs AS MATERIALIZED (SELECT m.* FROM few, console_margin m WHERE m.tenant = $1 AND m.contact = few.contact)
SELECT m.*, c.subject FROM theirs m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact
WHERE (m.left_, m.below_, m.contact, m.rule, m.part) > ($6::integer, $7::integer, $8::text, $9::text, $10::smallint)
  AND ($2::text IS NULL OR m.channels @> ARRAY[$2]) AND ($3::text IS NULL OR m.creditors @> ARRAY[$3])
  AND ($4::timestamptz IS NULL OR m.last_at >= $4) AND ($5::text IS NULL OR m.jurisdiction = $5)
  AND ($14::text IS NULL OR m.rule = $14) AND ($12 <> 'debt' OR m.debts @> ARRAY[$13])
ORDER BY m.left_, m.below_, m.contact, m.rule, m.part LIMIT $11

-- name: worst_of_recent
-- The same of the few whom somebody contacted since ($4).
WITH theirs AS MATERIALIZED (SELECT * FROM console_margin WHERE tenant = $1 AND last_at >= $4)
SELECT m.*, c.subject FROM theirs m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact
WHERE (m.left_, m.below_, m.contact, m.rule, m.part) > ($6::integer, $7::integer, $8::text, $9::text, $10::smallint)
  AND ($2::text IS NULL OR m.channels @> ARRAY[$2]) AND ($3::text IS NULL OR m.creditors @> ARRAY[$3])
  AND ($5::text IS NULL OR m.jurisdiction = $5) AND ($12::text IS NULL OR m.rule = $12)
ORDER BY m.left_, m.below_, m.contact, m.rule, m.part LIMIT $11

-- name: tied
-- How many people are tied to something, counted no further than $4.
SELECT count(*) FROM (SELECT FROM console_tie WHERE tenant = $1 AND kind = $2 AND value = $3 LIMIT $4) few

-- name: recent
-- How many rows there are of people who were contacted since, counted no further than $3.
SELECT count(*) FROM (SELECT FROM console_margin WHERE tenant = $1 AND last_at >= $2 LIMIT $3) few

-- name: spread
-- How many people stand at each count of each limit.
SELECT rule, pack, jurisdiction, channels, limit_, counted, people FROM console_spread
WHERE tenant = $1 AND people > 0 AND ($2::text IS NULL OR jurisdiction = $2) AND ($3::text IS NULL OR channels @> ARRAY[$3])
ORDER BY jurisdiction, rule, limit_, counted

-- name: waiting
-- How many people wait to be reckoned, up to a thousand.
SELECT count(*) FROM (SELECT FROM console_due WHERE tenant = $1 AND at <= $2 LIMIT 1000) w

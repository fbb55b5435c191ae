-- name: worst
-- People and limits by what is left, worst first, from below a place; the index holds them in this order.
SELECT m.*, c.subject FROM console_margin m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact
WHERE m.tenant = $1 AND (m.left_, -m.counted, m.contact, m.rule, m.part) > ($6::integer, $7::integer, $8::text, $9::text, $10::smallint)
  AND m.left_ >= $6
  AND ($2::text IS NULL OR m.channels @> ARRAY[$2]) AND ($3::text IS NULL OR m.creditors @> ARRAY[$3])
  AND ($4::timestamptz IS NULL OR m.last_at >= $4) AND ($5::text IS NULL OR m.rule = $5)
ORDER BY m.left_, m.counted DESC, m.contact, m.rule, m.part LIMIT $11

-- name: worst_of_law
-- The same of one law ($12).
SELECT m.*, c.subject FROM console_margin m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact
WHERE m.tenant = $1 AND m.jurisdiction = $12
  AND (m.left_, -m.counted, m.contact, m.rule, m.part) > ($6::integer, $7::integer, $8::text, $9::text, $10::smallint)
  AND m.left_ >= $6
  AND ($2::text IS NULL OR m.channels @> ARRAY[$2]) AND ($3::text IS NULL OR m.creditors @> ARRAY[$3])
  AND ($4::timestamptz IS NULL OR m.last_at >= $4) AND ($5::text IS NULL OR m.rule = $5)
ORDER BY m.left_, m.counted DESC, m.contact, m.rule, m.part LIMIT $11

-- name: worst_of_debt
-- The same of the few people of one debt ($12).
SELECT m.*, c.subject FROM console_margin m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact
WHERE m.tenant = $1 AND m.debts @> ARRAY[$12]
  AND (m.left_, -m.counted, m.contact, m.rule, m.part) > ($6::integer, $7::integer, $8::text, $9::text, $10::smallint)
  AND ($2::text IS NULL OR m.channels @> ARRAY[$2]) AND ($3::text IS NULL OR m.creditors @> ARRAY[$3])
  AND ($4::timestamptz IS NULL OR m.last_at >= $4) AND ($5::text IS NULL OR m.rule = $5)
ORDER BY m.left_, m.counted DESC, m.contact, m.rule, m.part LIMIT $11

-- name: spread
-- How many people stand at each count of each limit.
SELECT rule, pack, jurisdiction, channels, limit_, counted, people FROM console_spread
WHERE tenant = $1 AND people > 0 AND ($2::text IS NULL OR jurisdiction = $2) AND ($3::text IS NULL OR channels @> ARRAY[$3])
ORDER BY jurisdiction, rule, limit_, counted

-- name: waiting
-- How many people wait to be reckoned, up to a thousand.
SELECT count(*) FROM (SELECT FROM console_due WHERE tenant = $1 AND at <= $2 LIMIT 1000) w

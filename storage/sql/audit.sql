-- name: contacts
-- A page of people after an id ($2): one of them ($3), those of a law ($4) or of a debt ($5), where these are given.
SELECT c.id FROM contact c
WHERE c.tenant = $1 AND c.id > $2 AND ($3::text IS NULL OR c.id = $3) AND ($4::text IS NULL OR $4 = ANY (c.jurisdictions))
  AND ($5::text IS NULL OR EXISTS (SELECT FROM debt_contact d WHERE d.tenant = c.tenant AND d.contact = c.id AND d.debt = $5)
       OR EXISTS (SELECT FROM contact_event e WHERE e.tenant = c.tenant AND e.contact = c.id AND $5 = ANY (e.debts)))
ORDER BY c.id LIMIT $6

-- name: kept
-- Everybody's distance to each limit as it was reckoned last, one document a person and limit: of a law ($2), no further than ($3),
-- of a rule ($4).
SELECT row_to_json(kept) FROM (
  SELECT contact, rule, pack, asks, channels, debt, counted, limit_ AS "limit", left_ AS margin, frees_at, reckoned_at AS at
  FROM console_margin
  WHERE tenant = $1 AND ($2::text IS NULL OR jurisdiction = $2) AND ($3::integer IS NULL OR left_ <= $3)
    AND ($4::text IS NULL OR rule = $4)
) kept

-- name: kept_columns
-- The same as columns: to write a document takes three times as long as to write what stands in it. The CRM's ids are all that
-- others choose here; one that a spreadsheet would compute gets an apostrophe before it, as in reports.
SELECT CASE WHEN left(contact, 1) IN ('+', '-', '@') THEN '''' || contact ELSE contact END AS contact, rule, pack, asks,
  array_to_string(channels, ' ') AS channels, CASE WHEN left(debt, 1) IN ('+', '-', '@') THEN '''' || debt ELSE debt END AS debt,
  counted, limit_ AS "limit", left_ AS margin, frees_at,
  reckoned_at AS at
FROM console_margin
WHERE tenant = $1 AND ($2::text IS NULL OR jurisdiction = $2) AND ($3::integer IS NULL OR left_ <= $3) AND ($4::text IS NULL OR rule = $4)

-- name: scans
-- Whether whole tables may be read.
SHOW enable_seqscan

-- name: debts_of
-- Debts that name these people, and debts that contacts with them were about.
SELECT d.contact, d.debt FROM debt_contact d WHERE d.tenant = $1 AND d.contact = ANY ($2::text[])
UNION
SELECT e.contact, debt FROM contact_event e, unnest(e.debts) AS debt
WHERE e.tenant = $1 AND e.contact = ANY ($2::text[]) AND e.type = 'contact' AND e.superseded_by IS NULL
ORDER BY contact, debt

-- name: held
-- Messages that rules deferred or blocked, by person, rule and effect.
SELECT subject, reason ->> 'rule' AS rule, reason ->> 'effect' AS effect, count(DISTINCT message) AS messages
FROM trace, jsonb_array_elements(convert_from(header, 'UTF8')::jsonb -> 'facts' -> 'reasons') AS reason
WHERE tenant = $1 AND subject = ANY ($2::uuid[]) AND kind = 'decided' AND at >= $3 AND at < $4
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

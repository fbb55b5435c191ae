-- name: hold
-- These portfolios, locked in key order; one that was not there yet begins without people.
INSERT INTO portfolio (name) SELECT name FROM unnest($1::text[]) AS t(name) ORDER BY name
ON CONFLICT (name) DO UPDATE SET name = excluded.name

-- name: others
-- When others than these people were last written to first since $2, the latest first, after so many.
SELECT max(at) AS at FROM portfolio_opening WHERE portfolio = $1 AND at > $2 AND person <> ALL($3::text[])
GROUP BY person ORDER BY 1 DESC OFFSET $4 LIMIT $5

-- name: these
-- When these people were last written to first since $2.
SELECT person, max(at) AS at FROM portfolio_opening WHERE portfolio = $1 AND at > $2 AND person = ANY($3::text[]) GROUP BY person

-- name: open
-- They are written to first.
INSERT INTO portfolio_opening (attempt, portfolio, person, at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])

-- name: give_back
-- These attempts opened nothing after all.
DELETE FROM portfolio_opening WHERE attempt = ANY($1::uuid[])

-- name: forget
-- What counts no more.
DELETE FROM portfolio_opening WHERE at < $1

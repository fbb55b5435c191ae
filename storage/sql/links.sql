-- name: closed
-- Whether a link of that address ($3), made at $4, was closed since.
SELECT EXISTS (
  SELECT FROM link_closed
  WHERE tenant = $1 AND contact = $2 AND (endpoint IS NULL OR endpoint = $3) AND until >= $4
)

-- name: close
-- Links made up to $4 open nothing any more.
INSERT INTO link_closed (tenant, contact, endpoint, until, why) VALUES ($1, $2, $3, $4, $5)

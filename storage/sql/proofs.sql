-- name: put_nodes
-- Roots of full subtrees; what stands is never changed.
INSERT INTO trace_node (tenant, level, place, hash)
SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bytea[]) ON CONFLICT DO NOTHING

-- name: nodes
-- Some of them.
SELECT n.level, n.place, n.hash FROM unnest($2::smallint[], $3::bigint[]) AS wanted(level, place)
JOIN trace_node n ON n.tenant = $1 AND n.level = wanted.level AND n.place = wanted.place

-- name: leaves
-- Leaf hashes of ranges [low, high), in order.
SELECT t.idx, t.leaf FROM unnest($2::bigint[], $3::bigint[]) AS wanted(low, high)
JOIN trace t ON t.tenant = $1 AND t.idx >= wanted.low AND t.idx < wanted.high

-- name: head_at
-- The signed head of a size, where one was signed.
SELECT note FROM signed_head WHERE tenant = $1 AND size = $2

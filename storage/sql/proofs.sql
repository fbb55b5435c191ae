-- name: put_nodes
-- Roots of full subtrees; what stands is never changed.
INSERT INTO trace_node (tenant, level, place, hash)
SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bytea[]) ON CONFLICT DO NOTHING

-- name: nodes
-- Some of them.
SELECT n.level, n.place, n.hash FROM unnest($2::smallint[], $3::bigint[]) AS wanted(level, place)
JOIN trace_node n ON n.tenant = $1 AND n.level = wanted.level AND n.place = wanted.place

-- name: leaves
-- Leaf hashes of ranges [low, high), in order. Each range is looked for by itself (OFFSET 0): as a join, planned without knowing the
-- ranges, the sealer's question held the tenant's whole trace beside them, every two seconds, as long as it fitted into working memory.
SELECT t.idx, t.leaf FROM unnest($2::bigint[], $3::bigint[]) AS wanted(low, high), LATERAL (
  SELECT idx, leaf FROM trace WHERE tenant = $1 AND idx >= wanted.low AND idx < wanted.high ORDER BY idx OFFSET 0
) t

-- name: head_at
-- The signed head of a size, where one was signed.
SELECT note FROM signed_head WHERE tenant = $1 AND size = $2

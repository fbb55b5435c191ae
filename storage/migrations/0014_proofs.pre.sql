-- Roots of the trace's full subtrees of 2^8 and 2^16 leaves, kept when they are sealed: a proof over a million entries reads a few
-- of them and not a million leaves. Made from the leaves alone; where one is missing the leaves are read.

CREATE TABLE trace_node (
  tenant text NOT NULL,
  level smallint NOT NULL,                  -- the subtree has 2^level leaves
  place bigint NOT NULL,                    -- and begins at leaf place * 2^level
  hash bytea NOT NULL,
  PRIMARY KEY (tenant, level, place)
);
GRANT SELECT, INSERT ON trace_node TO tregua_app;

-- A report about everybody is evidence about everybody else: when one of them is erased it is made anew without her, and is not lost.

ALTER TABLE report ADD COLUMN remade integer NOT NULL DEFAULT 0;   -- how often it was made anew because somebody was erased
ALTER TABLE report ADD COLUMN tried integer NOT NULL DEFAULT 0;    -- tries before it was last asked for anew: they are not held against it

CREATE OR REPLACE FUNCTION report_of_erased() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = tregua, pg_temp AS $$
BEGIN
  DELETE FROM report r USING (SELECT DISTINCT tenant, id FROM gone) g WHERE r.tenant = g.tenant AND r.contact = g.id;
  -- The row first: whoever adds a part holds it, and adds none once the report is no longer in the making.
  UPDATE report r SET state = 'waiting', remade = remade + 1, tried = tries, done = 0, total = NULL, sha256 = NULL, size = NULL, lease = NULL
  WHERE r.contact IS NULL AND r.state IN ('making', 'ready') AND r.tenant IN (SELECT tenant FROM gone);
  DELETE FROM report_part p USING report r
  WHERE r.id = p.report AND r.contact IS NULL AND r.tenant IN (SELECT tenant FROM gone);
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION report_of_erased() FROM PUBLIC;
SELECT shield_tables();

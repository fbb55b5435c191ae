-- Reports that were asked for: what they are about, how far they are, and the file in parts, until they expire.

CREATE TABLE report (
  id uuid PRIMARY KEY,
  tenant text NOT NULL REFERENCES tenant,
  format text NOT NULL,
  ask json NOT NULL,
  contact text,                             -- the one person it is about, if it is about one
  state text NOT NULL,                      -- waiting, making, ready, failed
  done integer NOT NULL DEFAULT 0,          -- people looked at
  total integer,                            -- of so many
  tries integer NOT NULL DEFAULT 0,
  lease timestamptz,                        -- real time: past it, nobody is still making this
  sha256 bytea,
  size bigint,
  at timestamptz NOT NULL,                  -- the law's clock: when it was asked for
  expires_at timestamptz NOT NULL           -- real time
);
CREATE INDEX report_open ON report (at) WHERE state IN ('waiting', 'making');
CREATE INDEX report_tenant ON report (tenant, id);
CREATE INDEX report_age ON report (expires_at);

CREATE TABLE report_part (
  report uuid NOT NULL REFERENCES report ON DELETE CASCADE,
  n integer NOT NULL,
  tenant text NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (report, n)
);

-- Whoever is erased stands in no report any more: those that may name her go with her, and are made anew by who needs them.
CREATE FUNCTION report_of_erased() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = tregua, pg_temp AS $$
BEGIN
  DELETE FROM report r USING (SELECT DISTINCT tenant, id FROM gone) g
  WHERE r.tenant = g.tenant AND (r.contact IS NULL OR r.contact = g.id);
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION report_of_erased() FROM PUBLIC;
CREATE TRIGGER report_of_erased AFTER DELETE ON contact REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION report_of_erased();

GRANT SELECT, INSERT, UPDATE, DELETE ON report, report_part TO tregua_app;
SELECT shield_tables();

-- A second role, as which the gateway works while one tenant's request is in hand: it sees and writes that tenant's rows only,
-- whatever the SQL says. tregua_app, as which dispatch and the sweeps work for everybody, and tregua_eraser go on seeing all of them.
--
-- Every table with a column `tenant` is under it. A later migration that makes one calls tregua.shield_tables() at its end; a
-- test finds the one that does not.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tregua_tenant') THEN
    CREATE ROLE tregua_tenant NOLOGIN NOBYPASSRLS;
  END IF;
END $$;
GRANT tregua_tenant TO CURRENT_USER;

CREATE FUNCTION shield_tables() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT c.oid::regclass AS name,
      EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped) AS tenants
    FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace IN ('tregua'::regnamespace, 'vault'::regnamespace)
  LOOP
    -- What the house may do with a table, it may do for one tenant too.
    EXECUTE (
      SELECT coalesce(string_agg(format('GRANT %s ON %s TO tregua_tenant;', privilege, found.name), ' '), '')
      FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege
      WHERE has_table_privilege('tregua_app', found.name, privilege));
    CONTINUE WHEN NOT found.tenants;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', found.name);
    EXECUTE format('DROP POLICY IF EXISTS everybody ON %s', found.name);
    EXECUTE format('DROP POLICY IF EXISTS one_tenant ON %s', found.name);
    EXECUTE format('CREATE POLICY everybody ON %s TO tregua_app, tregua_eraser USING (true) WITH CHECK (true)', found.name);
    EXECUTE format(
      'CREATE POLICY one_tenant ON %s TO tregua_tenant USING (tenant = current_setting(''tregua.tenant'', true)) '
      'WITH CHECK (tenant = current_setting(''tregua.tenant'', true))', found.name);
  END LOOP;
  -- The list of tenants itself: one tenant sees its own line.
  ALTER TABLE tregua.tenant ENABLE ROW LEVEL SECURITY;
  DROP POLICY IF EXISTS everybody ON tregua.tenant;
  DROP POLICY IF EXISTS one_tenant ON tregua.tenant;
  CREATE POLICY everybody ON tregua.tenant TO tregua_app, tregua_eraser USING (true) WITH CHECK (true);
  CREATE POLICY one_tenant ON tregua.tenant TO tregua_tenant USING (id = current_setting('tregua.tenant', true))
    WITH CHECK (id = current_setting('tregua.tenant', true));
  GRANT USAGE ON ALL SEQUENCES IN SCHEMA tregua TO tregua_tenant;
END $$;
REVOKE ALL ON FUNCTION shield_tables() FROM PUBLIC;

GRANT USAGE ON SCHEMA tregua, vault TO tregua_tenant;
SELECT shield_tables();

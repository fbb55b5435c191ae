-- shield_tables() touches only what is not shielded yet: a release that brings one table locks that one, and not every table of a
-- house that is at work, which under load never ends without a deadlock. It stands right after the first, so that whatever an older
-- house still lacks is applied with it.

CREATE OR REPLACE FUNCTION shield_tables() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT c.oid::regclass AS name,
      EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped)
        AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'one_tenant') AS unshielded
    FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace IN ('tregua'::regnamespace, 'vault'::regnamespace)
  LOOP
    -- What the house may do with a table, it may do for one tenant too.
    EXECUTE (
      SELECT coalesce(string_agg(format('GRANT %s ON %s TO tregua_tenant;', privilege, found.name), ' '), '')
      FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege
      WHERE has_table_privilege('tregua_app', found.name, privilege)
        AND NOT has_table_privilege('tregua_tenant', found.name, privilege));
    CONTINUE WHEN NOT found.unshielded;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', found.name);
    EXECUTE format('CREATE POLICY everybody ON %s TO tregua_app, tregua_eraser USING (true) WITH CHECK (true)', found.name);
    EXECUTE format(
      'CREATE POLICY one_tenant ON %s TO tregua_tenant USING (tenant = current_setting(''tregua.tenant'', true)) '
      'WITH CHECK (tenant = current_setting(''tregua.tenant'', true))', found.name);
  END LOOP;
  GRANT USAGE ON ALL SEQUENCES IN SCHEMA tregua TO tregua_tenant;
END $$;
REVOKE ALL ON FUNCTION shield_tables() FROM PUBLIC;

-- Templates: each version is written once and never changed; the head says which one is in force.

CREATE TABLE template (
  tenant text NOT NULL,
  name text NOT NULL,
  version integer NOT NULL,                 -- in force
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, name)
);

CREATE TABLE template_version (
  tenant text NOT NULL,
  name text NOT NULL,
  version integer NOT NULL,
  digest bytea NOT NULL,                    -- SHA-256 of the body in canonical JSON
  body json NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, name, version),
  UNIQUE (tenant, name, digest)
);

CREATE TRIGGER template_version_append_only BEFORE UPDATE OR DELETE ON template_version FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER template_version_no_truncate BEFORE TRUNCATE ON template_version FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE ON template TO tregua_app;
GRANT SELECT, INSERT ON template_version TO tregua_app;

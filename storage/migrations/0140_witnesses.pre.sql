-- What witnesses signed under our heads, so that a checkpoint is handed on with the names of those who saw it.

-- Who vouches, by the name and key that were met first: a name never changes its key.
CREATE TABLE witness (
  tenant text NOT NULL REFERENCES tenant,
  name text NOT NULL,
  public_key bytea NOT NULL,
  PRIMARY KEY (tenant, name)
);

CREATE TABLE cosignature (
  tenant text NOT NULL,
  size bigint NOT NULL,                     -- the signed head of so many entries
  name text NOT NULL,
  at timestamptz NOT NULL,                  -- the witness's own clock, which it signed
  line text NOT NULL,                       -- as it stands in a signed note
  PRIMARY KEY (tenant, size, name),
  FOREIGN KEY (tenant, name) REFERENCES witness
);
GRANT SELECT, INSERT ON witness, cosignature TO tregua_app;
SELECT shield_tables();

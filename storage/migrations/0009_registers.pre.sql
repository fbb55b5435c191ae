-- Do-not-contact registers: each in versions, of which one is in force; only keyed digests of addresses, never an address.

CREATE TABLE register (
  tenant text NOT NULL REFERENCES tenant,
  key text NOT NULL,                        -- the name in small letters: RNE and rne are one register
  name text NOT NULL,
  version uuid,                             -- the one in force; null while the first one is being read
  as_of timestamptz,                        -- the law's clock: how old what it says is
  PRIMARY KEY (tenant, key)
);

CREATE TABLE register_version (
  id uuid PRIMARY KEY,
  tenant text NOT NULL,
  key text NOT NULL,
  number integer NOT NULL,
  state text NOT NULL,                      -- reading in_force past given_up
  as_of timestamptz NOT NULL,
  begun_at timestamptz NOT NULL,            -- real time
  ended_at timestamptz,                     -- real time
  report json NOT NULL,
  UNIQUE (tenant, key, number),
  FOREIGN KEY (tenant, key) REFERENCES register
);

-- Entries of every version that is in force or being read. Those of past versions are taken away.
CREATE TABLE register_entry (
  version uuid NOT NULL,
  endpoint text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL DEFAULT '',   -- empty: every channel
  since date,                               -- when it was entered; null: not known, so it binds at once
  PRIMARY KEY (version, endpoint, channel)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON register, register_version, register_entry TO tregua_app;

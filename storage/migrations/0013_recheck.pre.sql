-- What the nightly recheck of each tenant's trace found last.

CREATE TABLE recheck_round (
  tenant text PRIMARY KEY REFERENCES tenant,
  at timestamptz NOT NULL,                  -- real time
  since timestamptz NOT NULL,               -- the law's clock: how far back it looked
  contacts bigint NOT NULL,
  breaches bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON recheck_round TO tregua_app;

-- What contacts were worth, added up by day: people like her, counted, nobody in it. May be emptied at any time; the next rounds of
-- learning fill the last days again.

CREATE TABLE auto_evidence (
  tenant text NOT NULL,
  day date NOT NULL,                        -- on the clocks of those who were contacted
  country text NOT NULL,                    -- ISO 3166-1, empty where none is known
  channel text NOT NULL,
  bucket smallint NOT NULL,                 -- which three hours of the day; -1: their clock is not known
  weekend boolean NOT NULL,
  tries bigint NOT NULL,
  gain double precision NOT NULL,
  PRIMARY KEY (tenant, day, country, channel, bucket, weekend)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON auto_evidence TO tregua_app;
SELECT shield_tables();

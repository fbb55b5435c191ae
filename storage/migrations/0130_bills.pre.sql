-- What providers bill afterwards: which attempts are settled by it, and how far each of several rounds of asking has come.

ALTER TABLE attempt ADD COLUMN billed_at timestamptz;  -- real time: when the provider's own price was stored; null: not told yet

CREATE TABLE bill (
  provider text NOT NULL,
  round smallint NOT NULL,                    -- the first asks soon after the send, the last days later
  after uuid NOT NULL,                        -- attempts up to this one were asked about; ids are in the order of real time
  PRIMARY KEY (provider, round)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON bill TO tregua_app;

SELECT shield_tables();

-- What providers bill afterwards: which attempts are settled by it, and how far each of several rounds of asking has come.

-- A table of its own, for a release that is still at work beside this one has prepared what it asks of `attempt` without a new column.
CREATE TABLE billed (
  attempt uuid PRIMARY KEY REFERENCES attempt ON DELETE CASCADE,
  at timestamptz NOT NULL                     -- real time: when the provider's own price was stored
);

CREATE TABLE bill (
  provider text NOT NULL,
  round smallint NOT NULL,                    -- the first asks soon after the send, the last days later
  after uuid NOT NULL,                        -- attempts up to this one were asked about; ids are in the order of real time
  PRIMARY KEY (provider, round)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON bill, billed TO tregua_app;

SELECT shield_tables();

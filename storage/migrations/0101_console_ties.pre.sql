-- Filters of the frequency audit that few people meet. Row-level security lets an index answer only what cannot leak (an array's
-- operators might), so that what is looked for by stands in columns of its own.

-- The order of the list as columns alone, so that a page in the middle of the book begins where it begins.
ALTER TABLE console_margin ADD COLUMN below_ integer NOT NULL GENERATED ALWAYS AS (-counted) STORED;
DROP INDEX console_margin_worst;
DROP INDEX console_margin_of_rule;
DROP INDEX console_margin_debts;
CREATE INDEX console_margin_worst ON console_margin (tenant, left_, below_, contact, rule, part);
CREATE INDEX console_margin_of_law ON console_margin (tenant, jurisdiction, left_, below_, contact, rule, part);
CREATE INDEX console_margin_of_rule ON console_margin (tenant, rule, left_, below_, contact, part);
CREATE INDEX console_margin_last ON console_margin (tenant, last_at);

-- By which debts, creditors and channels a person is found.
CREATE TABLE console_tie (
  tenant text NOT NULL,
  kind text NOT NULL,                       -- debt creditor channel
  value text NOT NULL,
  contact text NOT NULL,
  PRIMARY KEY (tenant, kind, value, contact),
  FOREIGN KEY (tenant, contact) REFERENCES contact ON DELETE CASCADE
);
CREATE INDEX console_tie_contact ON console_tie (tenant, contact);
GRANT SELECT, INSERT, UPDATE, DELETE ON console_tie TO tregua_app;

-- What was reckoned before this stood: tied by the rows as they are.
INSERT INTO console_tie (tenant, kind, value, contact)
SELECT DISTINCT tenant, kind, value, contact FROM console_margin,
  LATERAL (SELECT 'debt' AS kind, unnest(debts) AS value UNION SELECT 'creditor', unnest(creditors) UNION SELECT 'channel', unnest(channels)) tied;
SELECT shield_tables();

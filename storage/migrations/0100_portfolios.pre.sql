-- Whom a business portfolio wrote to first, lately: what its platform counts. Ways are the operator's and may carry several
-- tenants, so these rows are nobody's alone; a person stands here as a keyed digest, and no longer than the period asks.

CREATE TABLE portfolio (name text PRIMARY KEY);     -- locked by whoever reserves, after budgets and before the chain's head

CREATE TABLE portfolio_opening (
  attempt uuid PRIMARY KEY,
  portfolio text NOT NULL REFERENCES portfolio,
  person text NOT NULL,
  at timestamptz NOT NULL                           -- the law's clock: the last instant at which it may have left us
);
CREATE INDEX portfolio_opening_recent ON portfolio_opening (portfolio, at, person);
CREATE INDEX portfolio_opening_person ON portfolio_opening (portfolio, person, at);

GRANT SELECT, INSERT, UPDATE ON portfolio TO tregua_app;
GRANT SELECT, INSERT, DELETE ON portfolio_opening TO tregua_app;
SELECT shield_tables();

-- What attempts cost, and budgets that a house sets itself.

ALTER TABLE attempt
  ADD COLUMN expected numeric(18, 6),         -- what the way was expected to ask when it was reserved; null: no price is known
  ADD COLUMN expected_segments integer,
  ADD COLUMN currency text,
  ADD COLUMN actual numeric(18, 6),           -- what it cost after all, once that differs or was told; 0: nothing left us
  ADD COLUMN booked text[] NOT NULL DEFAULT '{}';  -- the budgets it counts under
CREATE INDEX attempt_priced ON attempt (tenant, reserved_at) WHERE currency IS NOT NULL;

-- One line for each cap's subject and period. Locked after endpoints and before the chain's head, in key order.
CREATE TABLE budget (
  tenant text NOT NULL REFERENCES tenant,
  id text NOT NULL,                           -- what it is of, as digests: no person and no campaign stands here by name
  spent numeric(18, 6) NOT NULL DEFAULT 0,
  ends timestamptz,                           -- the law's clock: when its period is over; null: never
  PRIMARY KEY (tenant, id)
) WITH (fillfactor = 70);
CREATE INDEX budget_over ON budget (ends) WHERE ends IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON budget TO tregua_app;

SELECT shield_tables();

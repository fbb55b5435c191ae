-- The next channel after one that did not deliver, addresses that are none, and whose turn it is among tenants.

-- A message that did not reach her may wait for its next channel while its status stays undelivered (docs/decisions/0005).
ALTER TABLE message ADD COLUMN hop boolean NOT NULL DEFAULT false;

-- One index for whatever waits, by tenant: a dispatcher takes from each in turn.
DROP INDEX message_due;
CREATE INDEX message_waiting ON message (tenant, due_at, id) WHERE status IN ('queued', 'deferred') OR hop;

-- A try that says nothing of the message: the provider refused us, or was being paced. It is not counted against the message.
ALTER TABLE attempt ADD COLUMN excused boolean NOT NULL DEFAULT false;

-- A provider's word that an address is none. It outlives the profile that names it, and goes when the address shows life.
CREATE TABLE invalid_address (
  tenant text NOT NULL,
  endpoint text NOT NULL,                   -- the keyed digest, as in address
  at timestamptz NOT NULL,                  -- the law's clock
  provider text NOT NULL,
  code text NOT NULL,                       -- the provider's own
  PRIMARY KEY (tenant, endpoint)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON invalid_address TO tregua_app;

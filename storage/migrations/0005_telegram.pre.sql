-- Links that bind a chat of Telegram's to a person: single use, for a while, kept by digest only.

CREATE TABLE telegram_start (
  digest bytea PRIMARY KEY,                 -- SHA-256 of the token, which holds 192 random bits
  tenant text NOT NULL,
  contact text NOT NULL,
  provider text NOT NULL,                   -- the bot that the link leads to
  created_at timestamptz NOT NULL,          -- real time
  expires_at timestamptz NOT NULL,          -- real time
  used_at timestamptz,                      -- real time
  FOREIGN KEY (tenant, contact) REFERENCES contact ON DELETE CASCADE
);
CREATE INDEX telegram_start_contact ON telegram_start (tenant, contact);
GRANT SELECT, INSERT, UPDATE, DELETE ON telegram_start TO tregua_app;

-- An address that came by her own act stays when the CRM, who may not know it, puts her profile again.
ALTER TABLE address ADD COLUMN bound_at timestamptz;

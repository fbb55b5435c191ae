-- Erasure: who may take personal data away, what stays of whom was erased, and what keeps somebody from being erased.

-- Who sends messages may not remove what happened, and who removes it may not write. A session that erases takes this role for
-- one transaction.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tregua_eraser') THEN
    CREATE ROLE tregua_eraser NOLOGIN NOBYPASSRLS;
  END IF;
END $$;
GRANT tregua_eraser TO CURRENT_USER;

-- One request to be erased, or one retention that ended. The receipt names nobody.
CREATE TABLE erasure (
  id uuid PRIMARY KEY,
  tenant text NOT NULL REFERENCES tenant,
  subject uuid NOT NULL,                    -- ours: the name under which the trace goes on speaking of her
  contact text,                             -- the CRM's name for her, while something of hers is still in the air; then null
  why text NOT NULL,                        -- requested retention
  state text NOT NULL,                      -- waiting done
  asked_at timestamptz NOT NULL,            -- the law's clock
  done_at timestamptz,                      -- the law's clock
  receipt json NOT NULL
);
CREATE INDEX erasure_waiting ON erasure (asked_at) WHERE state = 'waiting';

-- The keyed digests of addresses of people who were erased, so that whoever imports them again does not write to them.
CREATE TABLE suppression (
  tenant text NOT NULL,
  endpoint text NOT NULL,
  at timestamptz NOT NULL,                  -- the law's clock: a consent that is younger lifts it
  spared uuid[] NOT NULL,                   -- others who used the address already, and were not erased
  PRIMARY KEY (tenant, endpoint)
);

-- Providers go on telling of what was sent to her: keyed digests by which that is known and passed over. 90 days of real time.
CREATE TABLE erased_mark (
  digest text PRIMARY KEY,
  at timestamptz NOT NULL
);
CREATE INDEX erased_mark_age ON erased_mark (at);

-- Nobody erases what a court or a claim needs.
CREATE TABLE legal_hold (
  tenant text NOT NULL,
  contact text NOT NULL,
  reason text NOT NULL,
  until timestamptz,                        -- the law's clock
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant, contact),
  FOREIGN KEY (tenant, contact) REFERENCES contact ON DELETE CASCADE
);

GRANT SELECT, INSERT, UPDATE ON erasure, suppression TO tregua_app;
GRANT SELECT, INSERT, DELETE ON erased_mark TO tregua_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON legal_hold TO tregua_app;

GRANT USAGE ON SCHEMA tregua, vault TO tregua_eraser;
GRANT SELECT ON trace, endpoint TO tregua_eraser;
GRANT SELECT, DELETE ON contact, contact_event, message, attempt, address, debt, debt_contact, media, crm_event, crm_delivery,
  trace_payload, stranger_stop, hook_kept, invalid_address TO tregua_eraser;
GRANT SELECT, DELETE ON vault.person_key TO tregua_eraser;

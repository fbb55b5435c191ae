-- The spine: tenants, people, what happened to them, messages, attempts, hooks, events to the CRM, and the trace.
--
-- Hot tables name tenants, endpoints and events without foreign keys: every check would lock the one row that all of them name,
-- and whoever writes holds those rows by the house's own order of locks.
--
-- Two roles: the owner of the schema (whoever migrates) and tregua_app, as which the gateway works. tregua_app may add to the
-- trace and read it; nothing it is granted lets it change or remove an entry.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tregua_app') THEN
    CREATE ROLE tregua_app NOLOGIN NOBYPASSRLS;
  END IF;
END $$;
GRANT tregua_app TO CURRENT_USER;

CREATE SCHEMA vault;

CREATE TABLE tenant (
  id text PRIMARY KEY,
  name text NOT NULL,
  policy_version integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL
);

CREATE TABLE api_key (
  id text PRIMARY KEY,
  tenant text NOT NULL REFERENCES tenant,
  digest bytea NOT NULL UNIQUE,             -- SHA-256 of the whole key; the key itself is never kept
  scopes text[] NOT NULL,
  label text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL,
  revoked_at timestamptz,
  last_used_at timestamptz
);

CREATE TABLE policy (
  tenant text NOT NULL REFERENCES tenant,
  version integer NOT NULL,
  body json NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant, version)
);

-- A person. The row is what dispatch, replies and opt-outs lock: whoever holds it is alone with that person.
CREATE TABLE contact (
  tenant text NOT NULL REFERENCES tenant,
  id text NOT NULL,                         -- the CRM's own name for her
  subject uuid NOT NULL UNIQUE,             -- ours: the only name that the trace, logs and queues ever see
  name text,
  role text NOT NULL,
  locale text,
  jurisdictions text[] NOT NULL,
  zones text[] NOT NULL,
  household text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX contact_household ON contact (tenant, household) WHERE household IS NOT NULL;

-- The key that her words in the trace are sealed with; erasure deletes it. In a schema of its own, so that who may
-- destroy keys is granted apart from who may write messages.
CREATE TABLE vault.person_key (
  subject uuid PRIMARY KEY,
  key bytea NOT NULL
);

-- One number or mailbox, by a keyed digest, whoever uses it: locked after the contacts, so that a stop which comes from an
-- address meets every dispatch to it.
CREATE TABLE endpoint (
  tenant text NOT NULL,
  digest text NOT NULL,
  PRIMARY KEY (tenant, digest)
);

CREATE TABLE address (
  tenant text NOT NULL,
  contact text NOT NULL,
  channel text NOT NULL,
  address text NOT NULL,                    -- canonical: E.164, a lower-cased domain, a chat id
  endpoint text NOT NULL,
  kind text NOT NULL,
  source text NOT NULL,
  position integer NOT NULL,                -- her order of preference, as given
  PRIMARY KEY (tenant, contact, channel, address),
  FOREIGN KEY (tenant, contact) REFERENCES contact ON DELETE CASCADE,
  FOREIGN KEY (tenant, endpoint) REFERENCES endpoint
);
CREATE INDEX address_endpoint ON address (tenant, endpoint);
CREATE INDEX address_used ON address (channel, address);   -- a reply names an address, never a tenant

CREATE TABLE debt (
  tenant text NOT NULL REFERENCES tenant,
  id text NOT NULL,
  creditor text,
  contract_signed date,
  due date,
  kind text,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE TABLE debt_contact (
  tenant text NOT NULL,
  debt text NOT NULL,
  contact text NOT NULL,                    -- may be named before the contact itself is known
  role text NOT NULL,
  PRIMARY KEY (tenant, debt, contact),
  FOREIGN KEY (tenant, debt) REFERENCES debt ON DELETE CASCADE
);
CREATE INDEX debt_contact_contact ON debt_contact (tenant, contact);

-- Somebody whom no tenant knows told us to stop: kept for the day on which a tenant names the address.
CREATE TABLE stranger_stop (
  channel text NOT NULL,
  address text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (channel, address)
);

-- What happened to a person and counts: contacts made here or elsewhere, replies, and everything she said (statements).
-- Rows are never removed: a correction supersedes, a released reservation is 'failed'.
CREATE TABLE contact_event (
  id uuid PRIMARY KEY,
  tenant text NOT NULL,
  contact text NOT NULL,
  at timestamptz NOT NULL,
  type text NOT NULL,
  channel text,
  form text,
  outcome text,
  purpose text,
  debts text[],
  endpoint text,
  address_kind text,
  creditor text,
  collector text,
  reply_to_inbound boolean NOT NULL DEFAULT false,
  role text,
  latest timestamptz,                       -- the last instant at which an unconfirmed contact may still reach her
  detail json,                              -- what only statements of one type have
  words text,                               -- hers, as she wrote them; erased with her
  attempt uuid,
  external_id text,
  superseded_by uuid,
  FOREIGN KEY (tenant, contact) REFERENCES contact ON DELETE CASCADE
);
CREATE INDEX contact_event_contact ON contact_event (tenant, contact, at);
CREATE INDEX contact_event_endpoint ON contact_event (tenant, endpoint)
  WHERE type IN ('consent', 'status', 'listed', 'not_associated');
CREATE UNIQUE INDEX contact_event_external ON contact_event (tenant, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX contact_event_attempt ON contact_event (attempt) WHERE attempt IS NOT NULL;

CREATE TABLE message (
  id uuid PRIMARY KEY,
  tenant text NOT NULL,
  contact text NOT NULL,
  status text NOT NULL,
  channels text[] NOT NULL,                 -- in order of preference
  channel text NOT NULL,                    -- of the decision that stands
  ask json NOT NULL,                        -- what was asked, normalised; erased with the person
  decision json NOT NULL,
  decisions json NOT NULL,                  -- one per channel
  first json,                               -- the first decision, once another stands above
  resolution text,
  due_at timestamptz NOT NULL,              -- by the law's clock; never later than expires_at
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  FOREIGN KEY (tenant, contact) REFERENCES contact ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX message_due ON message (due_at) WHERE status IN ('queued', 'deferred');
CREATE INDEX message_contact ON message (tenant, contact, id);
CREATE INDEX message_tenant ON message (tenant, id);

CREATE TABLE idempotency (
  tenant text NOT NULL,
  key text NOT NULL,
  digest bytea NOT NULL,
  message uuid NOT NULL,
  created_at timestamptz NOT NULL,          -- real time: keys live 90 days of it
  PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE attempt (
  id uuid PRIMARY KEY,
  tenant text NOT NULL,
  message uuid NOT NULL REFERENCES message ON DELETE CASCADE,
  contact text NOT NULL,
  n integer NOT NULL,
  provider text NOT NULL,
  channel text NOT NULL,
  address text NOT NULL,                    -- where it went; erased with the person
  state text NOT NULL,
  provider_id text,
  provider_status text,
  reason text,
  segments integer,
  validity_seconds integer NOT NULL,
  reserved_at timestamptz NOT NULL,         -- the law's clock
  latest timestamptz NOT NULL,              -- the law's clock: the last instant at which it may reach her
  deadline timestamptz NOT NULL,            -- real time: past it, nobody is still sending this
  begun_at timestamptz NOT NULL,            -- real time
  lookups integer NOT NULL DEFAULT 0,
  lookup_at timestamptz,                    -- real time: when to ask the provider's list next
  absent_since timestamptz,                 -- real time: since when the provider's list does not show it
  settled_at timestamptz,
  UNIQUE (message, n)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX attempt_provider ON attempt (provider, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX attempt_open ON attempt (deadline) WHERE state = 'dispatching';
CREATE INDEX attempt_contact ON attempt (tenant, contact, begun_at);
CREATE INDEX attempt_open_contact ON attempt (tenant, contact) WHERE state = 'dispatching';
CREATE INDEX attempt_lookup ON attempt (lookup_at) WHERE state = 'unknown' AND lookup_at IS NOT NULL;

-- Hooks of providers seen once; a repeat is recognised for 90 days.
CREATE TABLE hook_seen (
  provider text NOT NULL,
  key text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (provider, key)
);
CREATE INDEX hook_seen_age ON hook_seen (at);

-- A provider's word that no attempt of ours answers to yet, or that we could not read: kept raw for the operator.
CREATE TABLE hook_kept (
  id uuid PRIMARY KEY,
  provider text NOT NULL,
  kind text NOT NULL,
  why text NOT NULL,
  raw bytea NOT NULL,
  at timestamptz NOT NULL
);

CREATE TABLE crm_endpoint (
  id uuid PRIMARY KEY,
  tenant text NOT NULL REFERENCES tenant,
  url text NOT NULL,
  secrets text[] NOT NULL,
  types text[] NOT NULL,                    -- empty: every type
  created_at timestamptz NOT NULL
);
CREATE INDEX crm_endpoint_tenant ON crm_endpoint (tenant);

CREATE TABLE crm_event (
  id uuid PRIMARY KEY,
  tenant text NOT NULL,
  contact text NOT NULL,
  type text NOT NULL,
  body json NOT NULL,
  occurred_at timestamptz NOT NULL,
  seq bigint GENERATED ALWAYS AS IDENTITY
);
CREATE INDEX crm_event_tenant ON crm_event (tenant, seq);

CREATE TABLE crm_delivery (
  endpoint uuid NOT NULL,
  event uuid NOT NULL,
  tenant text NOT NULL,
  contact text NOT NULL,
  seq bigint NOT NULL,
  state text NOT NULL,                      -- waiting delivered parked
  tries integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL,             -- real time
  first_at timestamptz NOT NULL,            -- real time
  last_status integer,
  last_error text,
  PRIMARY KEY (endpoint, event)
) WITH (fillfactor = 70);
CREATE INDEX crm_delivery_due ON crm_delivery (next_at) WHERE state = 'waiting';
CREATE INDEX crm_delivery_order ON crm_delivery (endpoint, contact, seq) WHERE state = 'waiting';

-- The trace: one chain a tenant, contiguous from 0. The head row is locked last in every transaction, so entries
-- stand in the order of their commits.
CREATE TABLE chain (
  tenant text PRIMARY KEY REFERENCES tenant,
  size bigint NOT NULL DEFAULT 0
);

CREATE TABLE trace (
  tenant text NOT NULL,
  idx bigint NOT NULL,
  kind text NOT NULL,
  at timestamptz NOT NULL,
  subject uuid,
  message uuid,
  header bytea NOT NULL,
  payload_digest bytea,
  leaf bytea NOT NULL,
  PRIMARY KEY (tenant, idx)
);
CREATE INDEX trace_subject ON trace (tenant, subject, idx) WHERE subject IS NOT NULL;
CREATE INDEX trace_message ON trace (message, idx) WHERE message IS NOT NULL;

-- The words behind an entry, sealed with the person's key: may be deleted, and every proof still holds.
CREATE TABLE trace_payload (
  tenant text NOT NULL,
  idx bigint NOT NULL,
  nonce bytea NOT NULL,
  ciphertext bytea NOT NULL,
  PRIMARY KEY (tenant, idx)
);

CREATE TABLE seal (
  tenant text PRIMARY KEY REFERENCES tenant,
  size bigint NOT NULL,
  frontier bytea[] NOT NULL
);

CREATE TABLE signed_head (
  tenant text NOT NULL REFERENCES tenant,
  size bigint NOT NULL,
  root bytea NOT NULL,
  note text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant, size)
);

CREATE TABLE heartbeat (
  process uuid PRIMARY KEY,
  kind text NOT NULL,
  at timestamptz NOT NULL                   -- real time
);

-- The sandbox's clock: what is added to the database's. Production never reads it.
CREATE TABLE sandbox_clock (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  shift interval NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the trace is append-only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER trace_append_only BEFORE UPDATE OR DELETE ON trace FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER trace_no_truncate BEFORE TRUNCATE ON trace FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signed_head_append_only BEFORE UPDATE OR DELETE ON signed_head FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signed_head_no_truncate BEFORE TRUNCATE ON signed_head FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT USAGE ON SCHEMA tregua, vault TO tregua_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tregua TO tregua_app;
REVOKE UPDATE, DELETE, TRUNCATE ON trace, signed_head FROM tregua_app;
REVOKE DELETE, TRUNCATE ON contact_event, attempt, chain FROM tregua_app;
REVOKE UPDATE, DELETE ON trace_payload FROM tregua_app;
GRANT SELECT, INSERT ON vault.person_key TO tregua_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA tregua TO tregua_app;

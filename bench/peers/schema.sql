-- The tables of the reference prototype.
CREATE TABLE contact (address text PRIMARY KEY, consent boolean NOT NULL DEFAULT true, tz text NOT NULL DEFAULT 'America/Bogota');
CREATE TABLE message (
  id bigint PRIMARY KEY, contact text NOT NULL REFERENCES contact (address), channel text NOT NULL, body text NOT NULL,
  status text NOT NULL, provider_id text, created_at timestamptz NOT NULL DEFAULT now(), sent_at timestamptz, delivered_at timestamptz);
CREATE INDEX message_contact_created ON message (contact, created_at);
CREATE INDEX message_provider_id ON message (provider_id);
CREATE TABLE message_event (
  id bigserial PRIMARY KEY, message_id bigint NOT NULL, kind text NOT NULL, detail jsonb, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX message_event_message ON message_event (message_id);

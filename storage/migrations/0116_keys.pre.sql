-- Keys that end by themselves and follow one another, what a tenant may ask of the gateway, and secrets that are changed while both hold.

ALTER TABLE api_key
  ADD COLUMN expires_at timestamptz,          -- real time: from then on it opens nothing
  ADD COLUMN follows text;                    -- the key that it took over from

ALTER TABLE tenant
  ADD COLUMN requests_per_second double precision CHECK (requests_per_second > 0),
  ADD COLUMN requests_burst integer CHECK (requests_burst > 0),
  ADD COLUMN messages_per_day integer CHECK (messages_per_day >= 0);

ALTER TABLE crm_endpoint
  ADD COLUMN old_until timestamptz;           -- real time: until then every secret signs, afterwards the first one alone

SELECT shield_tables();

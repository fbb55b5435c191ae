-- The console: who is signed in, why a person was looked at, and figures kept as the trace grows, so that no page counts anew.

-- A sign-in. The cookie's value is never kept, only its digest; a session ends with its key, which is joined at every request.
CREATE TABLE console_session (
  digest bytea PRIMARY KEY,                 -- SHA-256 of the random value in the cookie
  tenant text NOT NULL REFERENCES tenant,
  key text NOT NULL REFERENCES api_key ON DELETE CASCADE,
  begun_at timestamptz NOT NULL,            -- real time, as the two below
  seen_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX console_session_age ON console_session (expires_at);

-- Why whoever is signed in looks at a person: asked before anything of hers is shown, and good for a while.
CREATE TABLE console_reason (
  session bytea NOT NULL REFERENCES console_session ON DELETE CASCADE,
  tenant text NOT NULL,
  contact text NOT NULL,
  reason text NOT NULL,                     -- one of a few words
  note text NOT NULL,                       -- their own; the trace seals it under her key
  until timestamptz NOT NULL,               -- real time
  PRIMARY KEY (session, tenant, contact),
  FOREIGN KEY (tenant, contact) REFERENCES contact ON DELETE CASCADE
);
CREATE INDEX console_reason_contact ON console_reason (tenant, contact);

-- How far into a tenant's trace the figures below have come. The trace has no gaps, so what stands below this was counted once.
CREATE TABLE console_cursor (
  tenant text PRIMARY KEY REFERENCES tenant,
  idx bigint NOT NULL DEFAULT 0,            -- the first entry that is not counted yet
  zone text,                                -- where the last person was whom an entry was about
  law text                                  -- the packs and the policy under which margins were reckoned
);

-- What happened, by the person's own day and hour. An attempt's endings stand at the hour in which it left.
CREATE TABLE console_hour (
  tenant text NOT NULL,
  day date NOT NULL,
  hour smallint NOT NULL,
  jurisdiction text NOT NULL,
  channel text NOT NULL,
  measure text NOT NULL,                    -- accepted, sent, unknown, delivered, read, answered, …; cost:USD in millionths
  n bigint NOT NULL,
  PRIMARY KEY (tenant, day, hour, jurisdiction, channel, measure)
) WITH (fillfactor = 70);

-- Messages that a rule held back, each counted once for each rule and effect.
CREATE TABLE console_rule (
  tenant text NOT NULL,
  day date NOT NULL,
  rule text NOT NULL,
  pack text NOT NULL,
  effect text NOT NULL,
  channel text NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (tenant, day, rule, pack, effect, channel)
) WITH (fillfactor = 70);

-- Each person's distance to each limit, as the deciding functions reckoned it at `reckoned_at`.
CREATE TABLE console_margin (
  tenant text NOT NULL,
  contact text NOT NULL,
  rule text NOT NULL,
  part smallint NOT NULL,                   -- a rule that counts each debt apart has a row for each
  pack text NOT NULL,
  jurisdiction text NOT NULL,
  citation text NOT NULL,
  asks text NOT NULL,
  channels text[] NOT NULL,
  debt text,
  debts text[] NOT NULL,
  creditors text[] NOT NULL,
  counted integer NOT NULL,
  limit_ integer NOT NULL,
  left_ integer NOT NULL,
  begins timestamptz,
  ends timestamptz,
  frees_at timestamptz,
  last_at timestamptz,                      -- the last contact with her that is known
  event text,                               -- the last one that counts, by which its proof is found
  reckoned_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, contact, rule, part),
  FOREIGN KEY (tenant, contact) REFERENCES contact ON DELETE CASCADE
) WITH (fillfactor = 80);
-- Worst first is an order of the index, so a page reads a page's worth of it.
CREATE INDEX console_margin_worst ON console_margin (tenant, left_, counted DESC, contact, rule, part);
CREATE INDEX console_margin_of_rule ON console_margin (tenant, jurisdiction, left_, counted DESC, contact, rule, part);
CREATE INDEX console_margin_debts ON console_margin USING gin (debts);

-- When a person is to be reckoned again: her oldest contact stops counting, or her day ends.
CREATE TABLE console_due (
  tenant text NOT NULL,
  contact text NOT NULL,
  at timestamptz NOT NULL,                  -- the law's clock
  PRIMARY KEY (tenant, contact),
  FOREIGN KEY (tenant, contact) REFERENCES contact ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE INDEX console_due_at ON console_due (tenant, at);

-- How many people stand at each count of each limit: kept with the rows above, by a trigger, so that it never differs from them.
CREATE TABLE console_spread (
  tenant text NOT NULL,
  rule text NOT NULL,
  pack text NOT NULL,
  jurisdiction text NOT NULL,
  channels text[] NOT NULL,
  limit_ integer NOT NULL,
  counted integer NOT NULL,
  people bigint NOT NULL,
  PRIMARY KEY (tenant, rule, pack, jurisdiction, channels, limit_, counted)
) WITH (fillfactor = 50);

CREATE FUNCTION console_spread_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO tregua.console_spread AS s (tenant, rule, pack, jurisdiction, channels, limit_, counted, people)
    SELECT tenant, rule, pack, jurisdiction, channels, limit_, counted, -count(*) FROM gone
    GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (tenant, rule, pack, jurisdiction, channels, limit_, counted) DO UPDATE SET people = s.people + excluded.people;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO tregua.console_spread AS s (tenant, rule, pack, jurisdiction, channels, limit_, counted, people)
    SELECT tenant, rule, pack, jurisdiction, channels, limit_, counted, count(*) FROM come
    GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (tenant, rule, pack, jurisdiction, channels, limit_, counted) DO UPDATE SET people = s.people + excluded.people;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER console_margin_come AFTER INSERT ON console_margin
  REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION console_spread_kept();
CREATE TRIGGER console_margin_gone AFTER DELETE ON console_margin
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION console_spread_kept();

-- Somebody looked at a message whose fate is unknown.
CREATE TABLE console_looked (
  tenant text NOT NULL,
  message uuid NOT NULL REFERENCES message ON DELETE CASCADE,
  key text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant, message)
);
CREATE INDEX console_looked_message ON console_looked (message);

-- The queues.
CREATE INDEX message_unknown ON message (tenant, id) WHERE status = 'unknown';
CREATE INDEX contact_event_held ON contact_event (tenant, at) WHERE type = 'held' AND superseded_by IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON console_session, console_reason, console_cursor, console_hour, console_rule, console_margin,
  console_due, console_spread, console_looked TO tregua_app;
GRANT SELECT, INSERT, UPDATE ON console_spread TO tregua_eraser;
SELECT shield_tables();

-- Links that opened a person's page and no longer do. A link is its attempt and needs no row; only that one was closed does.

CREATE TABLE link_closed (
  tenant text NOT NULL,
  contact text NOT NULL,
  endpoint text,                            -- the address whose links were closed; null: every link of hers
  until timestamptz NOT NULL,               -- real time: links made up to then
  why text NOT NULL,                        -- wrong_person erased
  FOREIGN KEY (tenant, contact) REFERENCES contact ON DELETE CASCADE
);
CREATE INDEX link_closed_contact ON link_closed (tenant, contact);
GRANT SELECT, INSERT ON link_closed TO tregua_app;

-- Pages that are open hear what changes in the inbox: the payload is our own name for the person, which tells a listener nothing.
CREATE FUNCTION inbox_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = tregua AS $$
BEGIN
  PERFORM pg_notify('tregua_inbox', subject::text) FROM contact WHERE tenant = NEW.tenant AND id = NEW.contact;
  RETURN NULL;
END $$;
CREATE TRIGGER attempt_inbox AFTER UPDATE OF state ON attempt FOR EACH ROW
  WHEN (NEW.channel = 'web' AND OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION inbox_changed();

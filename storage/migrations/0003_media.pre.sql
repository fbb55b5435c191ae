-- Sound that goes out and whatever came in with a reply: bytes with their digest, of one tenant each.

CREATE TABLE media (
  id uuid PRIMARY KEY,
  tenant text NOT NULL,
  kind text NOT NULL,                       -- uploaded spoken reply
  state text NOT NULL,                      -- kept; of a reply's also: wanted gone
  type text,                                -- as sniffed, never as told
  digest bytea,                             -- of what it was made from: SHA-256 of the upload, or of voice and words
  seconds real,                             -- of sound
  body bytea,                               -- uploaded, spoken: the note itself, mono OGG/Opus
  contact text,                             -- whose reply it came with; spoken: to whom alone it is said
  event uuid,                               -- that reply
  provider text,                            -- the way by which it came
  source text,                              -- where that provider keeps it; forgotten once it is here
  why text,                                 -- why there is nothing to keep
  tries integer NOT NULL DEFAULT 0,
  next_at timestamptz,                      -- real time: when to fetch it next
  created_at timestamptz NOT NULL,          -- real time
  used_at timestamptz NOT NULL              -- real time: what nobody asks for is forgotten
);
-- Opus does not get smaller by being packed again.
ALTER TABLE media ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX media_same ON media (tenant, kind, digest) WHERE kind <> 'reply';
CREATE INDEX media_event ON media (event) WHERE event IS NOT NULL;
CREATE INDEX media_contact ON media (tenant, contact) WHERE contact IS NOT NULL;
CREATE INDEX media_wanted ON media (next_at) WHERE state = 'wanted';
CREATE INDEX media_unused ON media (used_at) WHERE kind = 'spoken';
CREATE INDEX media_age ON media (created_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON media TO tregua_app;

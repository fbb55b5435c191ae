-- Until when each provider's own list of what people sent has been read: real time.
CREATE TABLE pull (
  provider text PRIMARY KEY,
  until timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON pull TO tregua_app;

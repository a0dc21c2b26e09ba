// Who is active: the epoch of each pair, its members and what it agreed on per app.
import type { Migration } from './migration.ts';

export const coordination: Migration = {
  id: '0001-coordination',
  sql: `
-- Never deleted, so that the epoch only grows (S1).
CREATE TABLE pair (
  pair text PRIMARY KEY,
  epoch bigint NOT NULL CHECK (epoch >= 1),
  -- Null after a resignation. It names a member only while that member's row is unexpired.
  active_incarnation text,
  claimed_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- One row per node id: two live processes cannot share one.
CREATE TABLE member (
  pair text NOT NULL,
  node text NOT NULL,
  incarnation text NOT NULL,
  address text NOT NULL,
  -- The advisory lock that the member's session holds; a new session has a new one.
  session_key bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (pair, node)
) WITH (fillfactor = 50);

CREATE TABLE app_record (
  pair text NOT NULL,
  app text NOT NULL,
  version integer NOT NULL,
  record json NOT NULL,
  PRIMARY KEY (pair, app)
);

-- Waits until nobody holds the advisory lock exclusively, and takes it shared; false when the limit passes first.
-- A limit is needed because a statement that waits holds back vacuum in the whole database; it is caught here
-- because an error would go to the server's log each time.
CREATE FUNCTION await_session_end(session_key bigint, limit_ms integer) RETURNS boolean LANGUAGE plpgsql AS $body$
BEGIN
  PERFORM set_config('lock_timeout', limit_ms::text, true);
  PERFORM pg_advisory_lock_shared(session_key);
  RETURN true;
EXCEPTION WHEN lock_not_available THEN
  RETURN false;
END
$body$;
`,
};

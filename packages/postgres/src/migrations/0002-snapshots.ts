// Revisions of snapshots: a head row each, and their bytes in rows of about a megabyte.
import type { Migration } from './migration.ts';

export const snapshots: Migration = {
  id: '0002-snapshots',
  sql: `
-- The highest epoch that has written, and the last revision given out; never deleted.
CREATE TABLE snapshot_fence (
  pair text NOT NULL,
  app text NOT NULL,
  epoch bigint NOT NULL CHECK (epoch >= 1),
  last_revision bigint NOT NULL,
  PRIMARY KEY (pair, app)
) WITH (fillfactor = 50);

CREATE SEQUENCE snapshot_upload;

CREATE TABLE snapshot_revision (
  pair text NOT NULL,
  app text NOT NULL,
  revision bigint NOT NULL,
  app_version integer NOT NULL,
  topology_hash text NOT NULL,
  epoch bigint NOT NULL,
  positions json NOT NULL,
  upload bigint NOT NULL UNIQUE,
  chunks integer NOT NULL,
  size_bytes bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (pair, app, revision)
);

CREATE TABLE snapshot_chunk (
  upload bigint NOT NULL,
  seq integer NOT NULL,
  sha256 bytea NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (upload, seq)
);
-- Snapshots are compressed already.
ALTER TABLE snapshot_chunk ALTER COLUMN data SET STORAGE EXTERNAL;
`,
};

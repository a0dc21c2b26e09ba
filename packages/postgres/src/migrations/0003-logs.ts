// Logs: ordered records in a fixed number of partitions, and the functions by which any client appends to them.
// One table per log, not one for all: its rows read well in SQL (SELECT * FROM tandem.log_orders), its key is two
// numbers, vacuum and retention of a busy log do not touch the others, and dropping a log is one cheap statement.
// What it costs is a statement per log, and DDL to make one.
import type { Migration } from './migration.ts';

export const logs: Migration = {
  id: '0003-logs',
  sql: `
CREATE TABLE log (
  name text PRIMARY KEY CHECK (name ~ '^[a-zA-Z0-9][a-zA-Z0-9._-]{0,47}$'),
  partitions integer NOT NULL CHECK (partitions BETWEEN 1 AND 1024),
  -- Retention: records that are older, or beyond this size, may go once every registered reader released them.
  -- Both null: everything is kept.
  keep_age interval,
  keep_bytes bigint CHECK (keep_bytes >= 0),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Who appends holds the row's lock until commit: that is what makes offsets gap-free and in commit order.
CREATE TABLE head (
  log text NOT NULL REFERENCES log ON DELETE CASCADE,
  partition integer NOT NULL,
  next bigint NOT NULL DEFAULT 0,
  -- Records before this offset have been deleted.
  first bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (log, partition)
) WITH (fillfactor = 50);

-- The lowest position that each reader may still come back to.
CREATE TABLE reader (
  log text NOT NULL REFERENCES log ON DELETE CASCADE,
  partition integer NOT NULL,
  reader text NOT NULL,
  floor bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (log, partition, reader)
) WITH (fillfactor = 50);

-- Makes a log; false when it is there already with as many partitions.
CREATE FUNCTION create_log(name text, partitions integer, keep_age interval DEFAULT NULL, keep_bytes bigint DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
DECLARE present integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('tandem create log'), hashtext(create_log.name));
  SELECT log.partitions INTO present FROM log WHERE log.name = create_log.name;
  IF FOUND THEN
    IF present <> create_log.partitions THEN
      RAISE EXCEPTION 'log % has % partitions, not %', create_log.name, present, create_log.partitions
        USING ERRCODE = 'TD010', HINT = 'The number of partitions of a log is fixed: make another log.';
    END IF;
    RETURN false;
  END IF;
  INSERT INTO log (name, partitions, keep_age, keep_bytes)
    VALUES (create_log.name, create_log.partitions, create_log.keep_age, create_log.keep_bytes);
  INSERT INTO head (log, partition) SELECT create_log.name, p FROM generate_series(0, create_log.partitions - 1) p;
  EXECUTE format(
    'CREATE TABLE %I (partition integer NOT NULL, "offset" bigint NOT NULL, ts timestamptz NOT NULL,'
    ' key bytea, value bytea, headers json, PRIMARY KEY (partition, "offset"))', 'log_' || create_log.name);
  RETURN true;
END
$body$;

-- Deletes a log with its records; false when there is none.
CREATE FUNCTION drop_log(name text) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
BEGIN
  DELETE FROM log WHERE log.name = drop_log.name;
  IF NOT FOUND THEN RETURN false; END IF;
  EXECUTE format('DROP TABLE %I', 'log_' || drop_log.name);
  RETURN true;
END
$body$;

-- MurmurHash2 as in Kafka's default partitioner.
CREATE FUNCTION murmur2(key bytea) RETURNS integer LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $body$
DECLARE
  m CONSTANT bigint := 1540483477;
  mask CONSTANT bigint := 4294967295;
  size integer := length(key);
  hash bigint := (2538058380 # size::bigint) & mask;
  word bigint;
  at integer := 0;
BEGIN
  WHILE at + 4 <= size LOOP
    word := get_byte(key, at)::bigint | (get_byte(key, at + 1)::bigint << 8)
      | (get_byte(key, at + 2)::bigint << 16) | (get_byte(key, at + 3)::bigint << 24);
    word := (word * m) & mask;
    word := word # (word >> 24);
    hash := ((hash * m) & mask) # ((word * m) & mask);
    at := at + 4;
  END LOOP;
  IF size - at >= 3 THEN hash := hash # (get_byte(key, at + 2)::bigint << 16); END IF;
  IF size - at >= 2 THEN hash := hash # (get_byte(key, at + 1)::bigint << 8); END IF;
  IF size - at >= 1 THEN hash := ((hash # get_byte(key, at)::bigint) * m) & mask; END IF;
  hash := ((hash # (hash >> 13)) * m) & mask;
  hash := hash # (hash >> 15);
  RETURN (CASE WHEN hash > 2147483647 THEN hash - 4294967296 ELSE hash END)::integer;
END
$body$;

-- Appends one record in the caller's transaction; returns its offset. The partition follows from the key as in Kafka
-- unless it is given; a record without a key goes to any. headers: ["name", "value", ...].
CREATE FUNCTION append(log text, key bytea, value bytea, partition integer DEFAULT NULL,
  ts timestamptz DEFAULT NULL, headers json DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
DECLARE
  count integer;
  target integer := append.partition;
  assigned bigint;
BEGIN
  SELECT l.partitions INTO count FROM log l WHERE l.name = append.log;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'log % does not exist', append.log
      USING ERRCODE = 'TD011', HINT = 'Make it with create_log(name, partitions).';
  END IF;
  IF target IS NULL THEN
    target := CASE WHEN append.key IS NULL THEN floor(random() * count)::integer
      ELSE (murmur2(append.key) & 2147483647) % count END;
  END IF;
  UPDATE head h SET next = h.next + 1 WHERE h.log = append.log AND h.partition = target RETURNING h.next - 1 INTO assigned;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'log % has no partition %', append.log, target USING ERRCODE = 'TD011';
  END IF;
  EXECUTE format('INSERT INTO %I (partition, "offset", ts, key, value, headers) VALUES ($1, $2, $3, $4, $5, $6)', 'log_' || append.log)
    USING target, assigned, coalesce(append.ts, clock_timestamp()), append.key, append.value, append.headers;
  PERFORM pg_notify('log:' || append.log, '');
  RETURN assigned;
END
$body$;

-- The same for text, which is stored as UTF-8.
CREATE FUNCTION append(log text, key text, value text, partition integer DEFAULT NULL,
  ts timestamptz DEFAULT NULL, headers json DEFAULT NULL)
RETURNS bigint LANGUAGE sql SET search_path FROM CURRENT AS $body$
  SELECT append(log, convert_to(key, 'UTF8'), convert_to(value, 'UTF8'), partition, ts, headers)
$body$;

-- Deletes at most so many of a partition's oldest records: those that retention allows and every registered reader
-- released. Returns how many went; 0 when there is nothing (more) to do, or somebody else is at it.
CREATE FUNCTION sweep_log(log text, partition integer, most integer)
RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
DECLARE
  settings record;
  bounds record;
  released bigint;
  cut bigint := 0;
  too_young bigint;
  average_bytes numeric;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('tandem sweep ' || sweep_log.log), sweep_log.partition) THEN RETURN 0; END IF;
  SELECT l.keep_age, l.keep_bytes, l.partitions INTO settings FROM log l WHERE l.name = sweep_log.log;
  SELECT min(r.floor) INTO released FROM reader r WHERE r.log = sweep_log.log AND r.partition = sweep_log.partition;
  SELECT h.first, h.next INTO bounds FROM head h WHERE h.log = sweep_log.log AND h.partition = sweep_log.partition;
  IF released IS NULL OR bounds.first IS NULL THEN RETURN 0; END IF;
  released := least(released, bounds.next, bounds.first + most);
  IF released <= bounds.first THEN RETURN 0; END IF;
  IF settings.keep_age IS NOT NULL THEN
    EXECUTE format('SELECT min("offset") FROM %I WHERE partition = $1 AND "offset" >= $2 AND "offset" < $3 AND ts >= $4', 'log_' || sweep_log.log)
      INTO too_young USING sweep_log.partition, bounds.first, released, clock_timestamp() - settings.keep_age;
    cut := coalesce(too_young, released);
  END IF;
  IF settings.keep_bytes IS NOT NULL THEN
    -- The size is estimated from the newest records.
    EXECUTE format('SELECT avg(40 + coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0)) FROM %I'
      ' WHERE partition = $1 AND "offset" >= $2', 'log_' || sweep_log.log)
      INTO average_bytes USING sweep_log.partition, greatest(bounds.first, bounds.next - 1000);
    cut := greatest(cut, bounds.next - ceil(settings.keep_bytes / settings.partitions / greatest(average_bytes, 1))::bigint);
  END IF;
  cut := least(cut, released);
  IF cut <= bounds.first THEN RETURN 0; END IF;
  EXECUTE format('DELETE FROM %I WHERE partition = $1 AND "offset" < $2', 'log_' || sweep_log.log)
    USING sweep_log.partition, cut;
  -- Last, so that whoever appends waits only for the commit.
  UPDATE head h SET first = cut WHERE h.log = sweep_log.log AND h.partition = sweep_log.partition;
  RETURN cut - bounds.first;
END
$body$;
`,
};

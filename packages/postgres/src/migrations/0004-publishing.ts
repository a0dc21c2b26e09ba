// The fence of each publisher and the positions up to which its outputs are durable.
import type { Migration } from './migration.ts';

export const publishing: Migration = {
  id: '0004-publishing',
  sql: `
-- One per lane. A publisher may write only while epoch and opening are those of its own open (S2).
CREATE TABLE fence (
  pair text NOT NULL,
  app text NOT NULL,
  publisher text NOT NULL,
  lane integer NOT NULL,
  epoch bigint NOT NULL CHECK (epoch >= 1),
  -- Grows with every open: re-opening in the same epoch fences too.
  opening bigint NOT NULL,
  -- The session of the newest opening, so that a successor can end it when it was stopped inside a transaction.
  backend_pid integer NOT NULL,
  backend_start timestamptz NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (pair, app, publisher, lane)
) WITH (fillfactor = 50);

-- Every output of every input before the position is in its sinks. Written only under the lane's fence.
CREATE TABLE published (
  pair text NOT NULL,
  app text NOT NULL,
  publisher text NOT NULL,
  task text NOT NULL,
  position bigint NOT NULL CHECK (position >= 0),
  PRIMARY KEY (pair, app, publisher, task)
) WITH (fillfactor = 50);

-- Takes the fence unless a higher epoch holds it. One statement, so that an opener stopped half-way holds no lock.
-- The wait is short: whoever holds the row's lock for longer is ended by the caller, by the pid recorded here.
CREATE FUNCTION open_fence(of_pair text, of_app text, of_publisher text, of_lane integer, claimed bigint,
  tasks text[], positions bigint[], OUT opened boolean, OUT stored_epoch bigint, OUT opening bigint,
  OUT backend_pid integer, OUT backend_start timestamptz)
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '50ms' AS $body$
DECLARE held record;
BEGIN
  SELECT a.pid, a.backend_start INTO backend_pid, backend_start FROM pg_stat_get_activity(pg_backend_pid()) a;
  SELECT f.epoch INTO held FROM fence f
    WHERE f.pair = of_pair AND f.app = of_app AND f.publisher = of_publisher AND f.lane = of_lane;
  IF held.epoch > claimed THEN opened := false; stored_epoch := held.epoch; RETURN; END IF;
  INSERT INTO fence (pair, app, publisher, lane, epoch, opening, backend_pid, backend_start)
    VALUES (of_pair, of_app, of_publisher, of_lane, claimed, 0, pg_backend_pid(), open_fence.backend_start)
    ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    SELECT f.epoch INTO held FROM fence f
      WHERE f.pair = of_pair AND f.app = of_app AND f.publisher = of_publisher AND f.lane = of_lane FOR NO KEY UPDATE;
    stored_epoch := held.epoch;
    IF held.epoch > claimed THEN opened := false; RETURN; END IF;
  END IF;
  UPDATE fence f SET epoch = claimed, opening = f.opening + 1, backend_pid = pg_backend_pid(),
      backend_start = open_fence.backend_start, opened_at = clock_timestamp()
    WHERE f.pair = of_pair AND f.app = of_app AND f.publisher = of_publisher AND f.lane = of_lane
    RETURNING f.opening INTO opening;
  INSERT INTO published AS p (pair, app, publisher, task, position)
    SELECT of_pair, of_app, of_publisher, task, position FROM unnest(tasks, positions) AS initial(task, position)
    ON CONFLICT ON CONSTRAINT published_pkey DO UPDATE SET position = excluded.position WHERE p.position < excluded.position;
  opened := true;
END
$body$;

-- Goes on with an opening from a new session; false when somebody opened since.
CREATE FUNCTION adopt_fence(of_pair text, of_app text, of_publisher text, of_lane integer, of_epoch bigint, of_opening bigint,
  OUT adopted boolean, OUT stored_epoch bigint, OUT backend_pid integer, OUT backend_start timestamptz)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
BEGIN
  SELECT a.pid, a.backend_start INTO backend_pid, backend_start FROM pg_stat_get_activity(pg_backend_pid()) a;
  UPDATE fence f SET backend_pid = pg_backend_pid(), backend_start = adopt_fence.backend_start
    WHERE f.pair = of_pair AND f.app = of_app AND f.publisher = of_publisher AND f.lane = of_lane
      AND f.epoch = of_epoch AND f.opening = of_opening;
  adopted := FOUND;
  SELECT f.epoch INTO stored_epoch FROM fence f
    WHERE f.pair = of_pair AND f.app = of_app AND f.publisher = of_publisher AND f.lane = of_lane;
END
$body$;

-- First statement of a publishing transaction: holds the fence until commit and compares everything, or raises. It marks
-- the transaction: the statements that follow do nothing (or raise) outside of one that was checked.
CREATE FUNCTION begin_publish(of_pair text, of_app text, of_publisher text, of_lane integer, of_epoch bigint, of_opening bigint,
  tasks text[], froms bigint[])
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
DECLARE
  held record;
  matching integer;
BEGIN
  SELECT f.epoch, f.opening INTO held FROM fence f
    WHERE f.pair = of_pair AND f.app = of_app AND f.publisher = of_publisher AND f.lane = of_lane FOR NO KEY UPDATE;
  IF NOT FOUND OR held.epoch <> of_epoch OR held.opening <> of_opening THEN
    RAISE EXCEPTION 'fenced: epoch % opening % is not the newest opening', of_epoch, of_opening
      USING ERRCODE = 'TD001', DETAIL = coalesce(held.epoch::text, '');
  END IF;
  SELECT count(*) INTO matching FROM unnest(tasks, froms) AS move(task, "from") JOIN published p
    ON p.pair = of_pair AND p.app = of_app AND p.publisher = of_publisher AND p.task = move.task AND p.position = move."from";
  IF matching <> cardinality(tasks) THEN
    RAISE EXCEPTION 'fenced: a stored position is not where the batch begins'
      USING ERRCODE = 'TD001', DETAIL = held.epoch::text;
  END IF;
  PERFORM set_config('tandem.opening', of_opening::text, true);
END
$body$;

-- Last statement before commit: moves the positions and tells those who follow.
CREATE FUNCTION end_publish(of_pair text, of_app text, of_publisher text, of_opening bigint,
  tasks text[], froms bigint[], tos bigint[], channel text)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
DECLARE moved integer;
BEGIN
  IF current_setting('tandem.opening', true) IS DISTINCT FROM of_opening::text THEN
    RAISE EXCEPTION 'not in a checked publishing transaction' USING ERRCODE = 'TD002';
  END IF;
  UPDATE published p SET position = move."to" FROM unnest(tasks, froms, tos) AS move(task, "from", "to")
    WHERE p.pair = of_pair AND p.app = of_app AND p.publisher = of_publisher AND p.task = move.task AND p.position = move."from";
  GET DIAGNOSTICS moved = ROW_COUNT;
  IF moved <> cardinality(tasks) THEN
    RAISE EXCEPTION 'fenced: a stored position is not where the batch begins' USING ERRCODE = 'TD001';
  END IF;
  PERFORM pg_notify(channel, '');
END
$body$;
`,
};

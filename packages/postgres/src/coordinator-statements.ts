// The coordinator's SQL: each step is one statement, and all time in it is the server's (clock_timestamp(); now()
// would be the start of the transaction, before any wait for a lock).
import { asEpoch, type Epoch, type Member, type View } from '@tandem/pair';
import { quoteSchema } from './schema.ts';

/** A member and the advisory lock that its session holds. */
export interface SessionMember extends Member {
  readonly key: string;
}

export interface ViewRow {
  readonly epoch: string | null;
  readonly active: string | null;
  readonly members: readonly SessionMember[];
}

export interface RenewedRow extends ViewRow {
  readonly renewed: boolean;
}

export interface RegisteredRow extends RenewedRow {
  /** Who had the node id before, or has it. */
  readonly rival: { readonly incarnation: string; readonly key: string; readonly expires: string } | null;
}

export interface PairRow {
  readonly epoch: string;
  readonly active: string | null;
  readonly standby: boolean;
}

export type Statements = ReturnType<typeof makeStatements>;

/** Those that a takeover waits for are named, so that they can be parsed ahead of it. */
export function makeStatements(schema: string) {
  const s = quoteSchema(schema);
  const fresh = (ttl: string) => `clock_timestamp() + ${ttl}::int * interval '1 ms'`;
  // $1 is the pair. A member counts while its row is unexpired by the server's clock.
  const view = `
    (SELECT epoch::text FROM ${s}.pair WHERE pair = $1) AS epoch,
    (SELECT active_incarnation FROM ${s}.pair WHERE pair = $1) AS active,
    (SELECT coalesce(json_agg(json_build_object('node', node, 'incarnation', incarnation, 'address', address,
              'key', session_key::text) ORDER BY node), '[]')
       FROM ${s}.member WHERE pair = $1 AND expires_at > clock_timestamp()) AS members`;
  return {
    view: `SELECT ${view}`,

    /** $2 node, $3 incarnation, $4 address, $5 key, $6 ttl, $7 channel. Enters, or refuses a node id that is in use. */
    register: `
      WITH mine AS (
        INSERT INTO ${s}.member AS m (pair, node, incarnation, address, session_key, expires_at)
        VALUES ($1, $2, $3, $4, $5, ${fresh('$6')})
        ON CONFLICT (pair, node) DO UPDATE SET incarnation = excluded.incarnation, address = excluded.address,
          session_key = excluded.session_key, expires_at = ${fresh('$6')}
        WHERE m.incarnation = excluded.incarnation OR m.expires_at <= clock_timestamp()
        RETURNING 1)
      SELECT EXISTS (SELECT FROM mine) AS renewed, ${view},
        (SELECT json_build_object('incarnation', incarnation, 'key', session_key::text, 'expires', expires_at::text)
           FROM ${s}.member WHERE pair = $1 AND node = $2) AS rival,
        CASE WHEN EXISTS (SELECT FROM mine) THEN pg_notify($7, '') END AS notified`,

    /** $2 node, $3 incarnation, $4 key, $5 ttl. The view beside it is from just before the renewal. */
    renew: `
      WITH mine AS (
        UPDATE ${s}.member SET expires_at = ${fresh('$5')}
        WHERE pair = $1 AND node = $2 AND incarnation = $3 AND session_key = $4
        RETURNING 1)
      SELECT EXISTS (SELECT FROM mine) AS renewed, ${view}`,

    /** $2 node, $3 incarnation, $4 key, $5 ttl, $6 expected epoch, $7 channel. One row: won. */
    claim: {
      name: 'claim',
      text: `
      WITH mine AS (
        UPDATE ${s}.member SET expires_at = ${fresh('$5')}
        WHERE pair = $1 AND node = $2 AND incarnation = $3 AND session_key = $4
        RETURNING 1),
      claimed AS (
        UPDATE ${s}.pair SET epoch = epoch + 1, active_incarnation = $3, claimed_at = clock_timestamp()
        WHERE pair = $1 AND epoch = $6::bigint AND EXISTS (SELECT FROM mine)
        RETURNING epoch)
      SELECT epoch::text, pg_notify($7, '') FROM claimed`,
    },

    /** As above without $6, where nobody ever claimed: $6 channel. */
    claimFirst: `
      WITH mine AS (
        UPDATE ${s}.member SET expires_at = ${fresh('$5')}
        WHERE pair = $1 AND node = $2 AND incarnation = $3 AND session_key = $4
        RETURNING 1),
      claimed AS (
        INSERT INTO ${s}.pair (pair, epoch, active_incarnation) SELECT $1, 1, $3 FROM mine
        ON CONFLICT (pair) DO NOTHING
        RETURNING epoch)
      SELECT epoch::text, pg_notify($6, '') FROM claimed`,

    pair: {
      name: 'pair',
      text: `SELECT epoch::text, active_incarnation AS active, pg_is_in_recovery() AS standby FROM ${s}.pair WHERE pair = $1`,
    },

    /** $2 incarnation, $3 epoch, $4 channel. */
    resign: `
      WITH resigned AS (
        UPDATE ${s}.pair SET active_incarnation = NULL
        WHERE pair = $1 AND active_incarnation = $2 AND epoch = $3::bigint RETURNING 1)
      SELECT pg_notify($4, '') FROM resigned`,

    /** $2 node, $3 incarnation, $4 channel. */
    leave: `
      WITH gone AS (DELETE FROM ${s}.member WHERE pair = $1 AND node = $2 AND incarnation = $3 RETURNING 1),
      resigned AS (
        UPDATE ${s}.pair SET active_incarnation = NULL WHERE pair = $1 AND active_incarnation = $3 RETURNING 1)
      SELECT pg_notify($4, '') FROM (SELECT FROM gone UNION ALL SELECT FROM resigned) AS changed LIMIT 1`,

    /** $1 key, $2 ms. Takes the lock shared when its session has ended. */
    awaitSessionEnd: `SELECT ${s}.await_session_end($1, $2) AS ended`,
    trySessionEnd: 'SELECT pg_try_advisory_lock_shared($1) AS ended',
    /**
     * $2 key, $3 channel. Only by one who holds that lock: its session is then gone for good. A member that is back
     * has another key and is left alone.
     */
    expire: `
      WITH ended AS (
        UPDATE ${s}.member SET expires_at = clock_timestamp()
        WHERE pair = $1 AND session_key = $2 AND expires_at > clock_timestamp() RETURNING 1)
      SELECT pg_notify($3, '') FROM ended`,
    unlock: 'SELECT pg_advisory_unlock_shared($1)',

    /** Rows of nodes that are not coming back. */
    forget: `DELETE FROM ${s}.member WHERE pair = $1 AND expires_at < clock_timestamp() - interval '1 day'`,

    readApp: `SELECT version, record::text AS record FROM ${s}.app_record WHERE pair = $1 AND app = $2`,
    /** $3 record. */
    insertApp: `INSERT INTO ${s}.app_record (pair, app, version, record) VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING`,
    /** $3 record, $4 expected version. */
    updateApp: `UPDATE ${s}.app_record SET version = version + 1, record = $3 WHERE pair = $1 AND app = $2 AND version = $4`,
    deleteApp: `DELETE FROM ${s}.app_record WHERE pair = $1 AND app = $2`,
  };
}

export function epochFromText(text: string | null): Epoch | undefined {
  return text === null ? undefined : asEpoch(Number(text));
}

/**
 * The rows as a view. A statement that renews us shows the rows from before it, so `self` is put in its place.
 * The active is the holder of the newest claim, and only while its own member row is unexpired.
 */
export function toView(row: ViewRow, self?: SessionMember): { view: View; active: SessionMember | undefined } {
  const others = row.members.filter((member) => member.node !== self?.node);
  const members = self === undefined ? others : [...others, self].sort((a, b) => (a.node < b.node ? -1 : 1));
  const active = members.find((member) => member.incarnation === row.active);
  return {
    view: {
      epoch: epochFromText(row.epoch),
      active: active && withoutKey(active),
      members: members.map(withoutKey),
    },
    active,
  };
}

function withoutKey({ node, incarnation, address }: SessionMember): Member {
  return { node, incarnation, address };
}

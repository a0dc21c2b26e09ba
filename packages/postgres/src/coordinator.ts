// The Coordinator on PostgreSQL. Three things, each for its purpose: the epoch row decides (compare-and-set, S1),
// the member's lease on the server's clock bounds how long a silent holder counts, and an advisory lock held by the
// member's session tells of a crash within milliseconds.
import { asEpoch, type AppName, type Epoch, type Member, type View } from '@tandem/pair';
import {
  settleClaim,
  toError,
  type AppRecord,
  type ClaimOutcome,
  type Clock,
  type Coordinator,
  type CoordinatorListener,
  type CoordinatorReader,
  type VerifyOutcome,
  type VersionedAppRecord,
} from '@tandem/ports';
import { DatabaseError } from 'pg';
import { type Connection, openConnection } from './connection.ts';
import { Membership } from './coordinator-membership.ts';
import { deleteApp, readApp, writeApp } from './coordinator-records.ts';
import {
  epochFromText,
  makeStatements,
  toView,
  type PairRow,
  type Statements,
  type ViewRow,
} from './coordinator-statements.ts';
import { migrate } from './migrations/index.ts';
import { channelName } from './schema.ts';

export interface PostgresCoordinatorOptions {
  /** Of the primary, and not through a pooler that shares sessions. */
  readonly url: string;
  readonly schema: string;
  readonly pair: string;
  readonly sessionTimeout_ms: number;
  readonly clock: Clock;
}

/** Without `join`, only the view and the app records can be had, over a connection per call. */
export function createPostgresCoordinator(options: PostgresCoordinatorOptions): Coordinator {
  return new PostgresCoordinator(options);
}

export function createPostgresCoordinatorReader(options: {
  readonly url: string;
  readonly schema: string;
  readonly pair: string;
}): CoordinatorReader {
  const statements = makeStatements(options.schema);
  return { readView: () => readAsGuest(options.url, statements, options.pair) };
}

/**
 * What counts as active: the holder of the newest claim, while its member row is unexpired by the server's clock.
 * A row is renewed every quarter of the session time-out. It expires one session time-out after its last renewal, and
 * at once when another member finds that the session behind it has ended. A member that comes back with the same
 * incarnation before anybody else claimed is active again, in the same epoch.
 */
class PostgresCoordinator implements Coordinator {
  readonly sessionTimeout_ms: number;
  readonly #options: PostgresCoordinatorOptions;
  readonly #statements: Statements;
  readonly #channel: string;
  #membership: Membership | undefined;

  constructor(options: PostgresCoordinatorOptions) {
    this.#options = options;
    this.sessionTimeout_ms = options.sessionTimeout_ms;
    this.#statements = makeStatements(options.schema);
    this.#channel = channelName('pair', options.schema, options.pair);
  }

  async join(self: Member, listener: CoordinatorListener): Promise<void> {
    if (this.#membership !== undefined) throw new Error('a coordinator joins once');
    const membership = new Membership(self, listener, {
      ...this.#options,
      channel: this.#channel,
      statements: this.#statements,
    });
    this.#membership = membership;
    try {
      await membership.start();
    } catch (thrown) {
      this.#membership = undefined;
      throw thrown;
    }
  }

  async readView(): Promise<View> {
    const membership = this.#membership;
    if (membership === undefined) return readAsGuest(this.#options.url, this.#statements, this.#options.pair);
    return membership.attempt('read the view', (session, until_ms) =>
      membership.renew(session, { tell: 'always', until_ms }),
    );
  }

  async claim(expected: Epoch | undefined): Promise<ClaimOutcome> {
    const membership = this.#member();
    const next = asEpoch((expected ?? 0) + 1);
    try {
      return await membership.attempt<ClaimOutcome>('claim', async (session, until_ms) => {
        const options = { until_ms, urgent: true };
        if (await session.run((connection) => this.#sendClaim(connection, session.key, expected), options)) {
          membership.refreshSoon();
          return { outcome: 'won', epoch: next };
        }
        return settleClaim(await membership.renew(session, { tell: 'changes', until_ms }), expected, membership.self);
      });
    } catch (thrown) {
      return { outcome: 'unknown', cause: toError(thrown) };
    }
  }

  async verify(epoch: Epoch): Promise<VerifyOutcome> {
    const membership = this.#member();
    try {
      return await membership.attempt<VerifyOutcome>('verify', async (session, until_ms) => {
        const { rows } = await session.run(
          (connection) => connection.query<PairRow>(this.#statements.pair, [this.#options.pair], this.#answerLimit_ms),
          { until_ms, urgent: true },
        );
        const row = rows[0];
        // A standby may lag behind a claim.
        if (row?.standby === true) return 'unanswered';
        const isHeld = row?.active === membership.self.incarnation && epochFromText(row.epoch) === epoch;
        return isHeld ? 'current' : 'superseded';
      });
    } catch {
      return 'unanswered';
    }
  }

  async resign(epoch: Epoch): Promise<void> {
    const membership = this.#member();
    const values = [this.#options.pair, membership.self.incarnation, epoch, this.#channel];
    await membership.attempt('resign', (session, until_ms) =>
      session.run((connection) => connection.query(this.#statements.resign, values, this.#answerLimit_ms), {
        until_ms,
      }),
    );
    membership.refreshSoon();
  }

  authorityUntil_ms(): number {
    return this.#membership?.authorityUntil_ms() ?? Number.NEGATIVE_INFINITY;
  }

  async readAppRecord(app: AppName): Promise<VersionedAppRecord | undefined> {
    return this.#withConnection('read an app record', (connection) =>
      readApp(connection, this.#statements, this.#options.pair, app),
    );
  }

  async writeAppRecord(app: AppName, record: AppRecord, expectedVersion: number | undefined): Promise<boolean> {
    let tries = 0;
    return this.#withConnection('write an app record', (connection) => {
      tries += 1;
      return writeApp(connection, this.#statements, this.#options.pair, app, record, expectedVersion, tries > 1);
    });
  }

  async deleteAppRecord(app: AppName): Promise<void> {
    await this.#withConnection('delete an app record', (connection) =>
      deleteApp(connection, this.#statements, this.#options.pair, app),
    );
  }

  async leave(): Promise<void> {
    await this.#membership?.stop();
  }

  /** One try's share of a call's deadline, so that there is time left for another over a new session. */
  get #answerLimit_ms(): number {
    return this.sessionTimeout_ms / 2;
  }

  #member(): Membership {
    if (this.#membership === undefined) throw new Error('join comes first');
    return this.#membership;
  }

  async #sendClaim(connection: Connection, key: string, expected: Epoch | undefined): Promise<boolean> {
    const { node, incarnation } = this.#member().self;
    const us = [this.#options.pair, node, incarnation, key, this.sessionTimeout_ms];
    const { claim, claimFirst } = this.#statements;
    const { rowCount } =
      expected === undefined
        ? await connection.query(claimFirst, [...us, this.#channel], this.#answerLimit_ms)
        : await connection.query(claim, [...us, expected, this.#channel], this.#answerLimit_ms);
    return rowCount === 1;
  }

  /** Over the session of a member, over a connection of its own otherwise. */
  async #withConnection<T>(what: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    const membership = this.#membership;
    if (membership !== undefined) {
      return membership.attempt(what, (session, until_ms) => session.run(work, { until_ms }));
    }
    const connection = await openConnection({ url: this.#options.url, role: 'tool' });
    try {
      await migrate(connection, this.#options.schema);
      return await work(connection);
    } finally {
      await connection.close();
    }
  }
}

async function readAsGuest(url: string, statements: Statements, pair: string): Promise<View> {
  const connection = await openConnection({ url, role: 'tool' });
  try {
    const { rows } = await connection.query<ViewRow>(statements.view, [pair]);
    return rows[0] === undefined ? noView : toView(rows[0]).view;
  } catch (thrown) {
    // No schema or no tables: nobody has ever been here.
    if (thrown instanceof DatabaseError && (thrown.code === '42P01' || thrown.code === '3F000')) return noView;
    throw thrown;
  } finally {
    await connection.close();
  }
}

const noView: View = { epoch: undefined, active: undefined, members: [] };

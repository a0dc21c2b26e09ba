// The Coordinator on ZooKeeper. The version of the epoch's znode decides (compare-and-set, S1); entries of members and
// of the active are ephemeral, so that they last as long as the session of the process that made them.
import { asEpoch, type AppName, type Epoch, type Member, type View } from '@tandem/pair';
import {
  settleClaim,
  toError,
  type AppRecord,
  type ClaimOutcome,
  type Clock,
  type Coordinator,
  type CoordinatorListener,
  type VerifyOutcome,
  type VersionedAppRecord,
} from '@tandem/ports';
import { deleteApp, readApp, writeApp } from './app-records.ts';
import type { ZookeeperSystem } from './configuration.ts';
import type { Connection } from './connection.ts';
import { activeText, epochText } from './entries.ts';
import { credentialsOf, readViewAsGuest, visit, type Visit } from './guest.ts';
import { makeLayout } from './layout.ts';
import { Membership } from './membership.ts';
import type { PairState } from './pair-state.ts';
import { accessFor, Znodes, type Access } from './znodes.ts';

export interface ZookeeperCoordinatorOptions {
  readonly system: ZookeeperSystem;
  readonly pair: string;
  /** Asked for; the servers' bounds decide. */
  readonly sessionTimeout_ms: number;
  readonly clock: Clock;
}

/** Without `join`, only the view and the app records can be had, over a session per call. */
export function createZookeeperCoordinator(options: ZookeeperCoordinatorOptions): Coordinator {
  return new ZookeeperCoordinator(options);
}

class ZookeeperCoordinator implements Coordinator {
  readonly #options: ZookeeperCoordinatorOptions;
  readonly #znodes: Znodes;
  readonly #access: Access;
  #membership: Membership | undefined;

  constructor(options: ZookeeperCoordinatorOptions) {
    this.#options = options;
    this.#znodes = new Znodes(options.system.connect.chroot, options.pair);
    this.#access = accessFor(options.system.user !== undefined);
  }

  get sessionTimeout_ms(): number {
    return this.#membership?.sessionTimeout_ms ?? this.#options.sessionTimeout_ms;
  }

  async join(self: Member, listener: CoordinatorListener): Promise<void> {
    if (this.#membership !== undefined) throw new Error('a coordinator joins once');
    const { system, ...options } = this.#options;
    const membership = new Membership(self, listener, {
      ...options,
      servers: system.connect.servers,
      credentials: credentialsOf(system),
      znodes: this.#znodes,
      access: this.#access,
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
    if (membership === undefined) return visit(this.#options, readViewAsGuest);
    const state = await membership.attempt('read the view', (connection) => membership.renew(connection, 'always'));
    return state.view;
  }

  async claim(expected: Epoch | undefined): Promise<ClaimOutcome> {
    const membership = this.#member();
    const next = asEpoch((expected ?? 0) + 1);
    try {
      return await membership.attempt<ClaimOutcome>('claim', async (connection) => {
        const { known } = membership;
        if (known?.view.epoch === expected && known !== undefined) {
          const claimed = await this.#sendClaim(connection, known, next);
          if (claimed) return { outcome: 'won', epoch: next };
        }
        const { view } = await membership.renew(connection, 'changes');
        return settleClaim(view, expected, membership.self);
      });
    } catch (thrown) {
      return { outcome: 'unknown', cause: toError(thrown) };
    }
  }

  async verify(epoch: Epoch): Promise<VerifyOutcome> {
    const membership = this.#member();
    const isOurs = (state: PairState | undefined): state is PairState =>
      state?.view.epoch === epoch && state.view.active?.incarnation === membership.self.incarnation;
    try {
      return await membership.attempt<VerifyOutcome>('verify', async (connection) => {
        const { known } = membership;
        if (isOurs(known) && (await this.#isStillSo(connection, known))) return 'current';
        return isOurs(await membership.renew(connection, 'changes')) ? 'current' : 'superseded';
      });
    } catch {
      return 'unanswered';
    }
  }

  async resign(epoch: Epoch): Promise<void> {
    const membership = this.#member();
    const { epoch: epochPath, active } = this.#znodes;
    await membership.attempt('resign', async (connection) => {
      const { view, epochVersion } = await membership.renew(connection, 'changes');
      if (view.epoch !== epoch || view.active?.incarnation !== membership.self.incarnation) return;
      await connection.change(
        [
          { step: 'check', path: epochPath, version: epochVersion },
          { step: 'remove', path: active },
        ],
        this.#access.own,
      );
    });
    membership.refreshSoon();
  }

  authorityUntil_ms(): number {
    return this.#membership?.authorityUntil_ms() ?? Number.NEGATIVE_INFINITY;
  }

  async readAppRecord(app: AppName): Promise<VersionedAppRecord | undefined> {
    return this.#onVisit('read an app record', (there) => readApp(there, app));
  }

  async writeAppRecord(app: AppName, record: AppRecord, expectedVersion: number | undefined): Promise<boolean> {
    let tries = 0;
    return this.#onVisit('write an app record', async (there) => {
      tries += 1;
      if (this.#membership === undefined) await makeLayout(there.connection, there.znodes, there.access);
      return writeApp(there, app, record, expectedVersion, tries > 1);
    });
  }

  async deleteAppRecord(app: AppName): Promise<void> {
    await this.#onVisit('delete an app record', (there) => deleteApp(there, app));
  }

  async leave(): Promise<void> {
    await this.#membership?.stop();
  }

  #member(): Membership {
    if (this.#membership === undefined) throw new Error('join comes first');
    return this.#membership;
  }

  /** One atomic step; false when it did not take place. */
  async #sendClaim(connection: Connection, { epochVersion, hasActive }: PairState, next: Epoch): Promise<boolean> {
    const membership = this.#member();
    const { epoch, active } = this.#znodes;
    const text = activeText(membership.self, next);
    const outcome = await connection.change(
      [
        { step: 'check', path: epoch, version: epochVersion },
        { step: 'set', path: epoch, text: epochText(next) },
        // Whoever's it is: no entry of a later epoch can be there while the check holds.
        ...(hasActive ? [{ step: 'remove', path: active } as const] : []),
        { step: 'create', path: active, text, kind: 'ephemeral' },
        { step: 'set', path: active, text },
      ],
      this.#access.own,
    );
    if (outcome === 'done') membership.hasClaimed(next, epochVersion + 1);
    return outcome === 'done';
  }

  /** By way of the leader: the epoch is the one that was read, and its entry is there. In this epoch it is nobody else's. */
  async #isStillSo(connection: Connection, { epochVersion }: PairState): Promise<boolean> {
    const { epoch, active } = this.#znodes;
    const outcome = await connection.change(
      [
        { step: 'check', path: epoch, version: epochVersion },
        { step: 'check', path: active },
      ],
      this.#access.own,
    );
    return outcome === 'done';
  }

  /** Over the session of a member, over one of its own otherwise. */
  async #onVisit<T>(what: string, work: (there: Visit) => Promise<T>): Promise<T> {
    const membership = this.#membership;
    if (membership === undefined) return visit(this.#options, work);
    return membership.attempt(what, (connection) => work({ connection, znodes: this.#znodes, access: this.#access }));
  }
}

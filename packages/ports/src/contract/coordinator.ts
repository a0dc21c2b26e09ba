// What every Coordinator must do, run on the in-memory one and on every real one.
import type { AppName, Epoch, Member, View } from '@tandem/pair';
import type { AppRecord, Coordinator } from '../coordinator.ts';

/** One pair's coordinator and the means to do harm to its clients. Time may be virtual. */
export interface CoordinatorWorld {
  /** A client such as another process would have. */
  create(): Coordinator;
  now_ms(): number;
  /** Lets time pass until the condition holds; rejects after a generous limit. */
  until(condition: () => boolean): Promise<void>;
  /** Lets time pass until the call is answered. */
  settle<T>(work: Promise<T>): Promise<T>;
  /** The client's process dies. */
  kill(client: Coordinator): void;
  /** From now on nothing gets through between the client and the coordinator, and neither is told. */
  cut(client: Coordinator): void;
  heal(client: Coordinator): void;
  /** The client's next claim or record takes effect, but its answer does not arrive. */
  loseNextAnswer(client: Coordinator): void;
  dispose(): Promise<void>;
}

interface Client {
  readonly coordinator: Coordinator;
  readonly member: Member;
  readonly views: View[];
  readonly connection: ('lost' | 'back')[];
  view(): View;
}

export function describeCoordinator(name: string, make: () => Promise<CoordinatorWorld>): void {
  describe(`${name} as a coordinator`, () => {
    let world: CoordinatorWorld;
    let runs = 0;

    beforeEach(async () => {
      world = await make();
    });

    afterEach(async () => {
      await world.dispose();
    });

    function client(node: string): { readonly client: Client; join(): Promise<void> } {
      runs += 1;
      const coordinator = world.create();
      const member = { node, incarnation: `${node}-run-${String(runs)}`, address: `http://127.0.0.1/${node}` };
      const views: View[] = [];
      const connection: ('lost' | 'back')[] = [];
      const view = () => {
        const last = views.at(-1);
        if (last === undefined) throw new Error('no view yet');
        return last;
      };
      const listener = {
        onView: (seen: View) => {
          views.push(seen);
        },
        onConnection: (state: 'lost' | 'back') => {
          connection.push(state);
        },
      };
      return {
        client: { coordinator, member, views, connection, view },
        join: () => world.settle(coordinator.join(member, listener)),
      };
    }

    async function joined(node: string): Promise<Client> {
      const made = client(node);
      await made.join();
      return made.client;
    }

    async function won(who: Client, expected: number | undefined): Promise<Epoch> {
      const claim = await world.settle(who.coordinator.claim(expected as Epoch | undefined));
      if (claim.outcome !== 'won') throw new Error(`the claim was ${claim.outcome}`);
      return claim.epoch;
    }

    describe('joining', () => {
      it('shows the newcomer a view with itself right away, and with nobody active', async () => {
        const a = await joined('a');
        expect(a.view()).toEqual({ epoch: undefined, active: undefined, members: [a.member] });
      });

      it('shows members to each other, and that one left', async () => {
        const a = await joined('a');
        const b = await joined('b');
        await world.until(() => a.view().members.length === 2);
        expect(b.view().members).toEqual([a.member, b.member]);
        await world.settle(b.coordinator.leave());
        await world.until(() => a.view().members.length === 1);
        expect(a.view().members).toEqual([a.member]);
      });

      it('refuses a node id that a live process has', async () => {
        const a = await joined('a');
        await expect(client('a').join()).rejects.toMatchObject({ code: 'node-id-taken', blame: 'user' });
        expect(await world.settle(a.coordinator.readView())).toMatchObject({ members: [a.member] });
      });

      it('lets a node that left come back under its id', async () => {
        const a = await joined('a');
        await world.settle(a.coordinator.leave());
        const again = await joined('a');
        expect(again.view().members).toEqual([again.member]);
      });

      it('lets a new process replace one of the same id that died', async () => {
        const a = await joined('a');
        await won(a, undefined);
        world.kill(a.coordinator);
        const again = await joined('a');
        expect(again.view()).toEqual({ epoch: 1, active: undefined, members: [again.member] });
      });

      it('holds authority for at most one session time-out ahead, and renews it', async () => {
        const a = await joined('a');
        const first_ms = a.coordinator.authorityUntil_ms();
        expect(first_ms).toBeGreaterThan(0);
        expect(first_ms).toBeLessThanOrEqual(world.now_ms() + a.coordinator.sessionTimeout_ms);
        await world.until(() => a.coordinator.authorityUntil_ms() > first_ms);
        expect(a.connection).toEqual([]);
      });

      it('hands a view that was asked for to the listener too', async () => {
        const a = await joined('a');
        const before = a.views.length;
        const view = await world.settle(a.coordinator.readView());
        expect(view).toEqual({ epoch: undefined, active: undefined, members: [a.member] });
        expect(a.views.length).toBeGreaterThan(before);
      });
    });

    describe('claiming', () => {
      it('gives epoch 1 to the first claim, and shows its holder to all', async () => {
        const a = await joined('a');
        const b = await joined('b');
        expect(await won(a, undefined)).toBe(1);
        await world.until(() => b.view().active !== undefined && a.view().active !== undefined);
        expect(b.view()).toEqual({ epoch: 1, active: a.member, members: [a.member, b.member] });
        expect(a.view()).toEqual(b.view());
      });

      it('lets exactly one of several claims at the same time win, every time (S1)', async () => {
        const clients = [await joined('a'), await joined('b'), await joined('c')];
        let expected: Epoch | undefined;
        for (let round = 1; round <= 5; round += 1) {
          const claims = await world.settle(Promise.all(clients.map((each) => each.coordinator.claim(expected))));
          expect(claims.filter((claim) => claim.outcome === 'won')).toEqual([{ outcome: 'won', epoch: round }]);
          const winner = clients[claims.findIndex((claim) => claim.outcome === 'won')];
          for (const claim of claims) {
            if (claim.outcome === 'lost') expect(claim.view).toMatchObject({ epoch: round, active: winner?.member });
          }
          expected = round as Epoch;
        }
      });

      it('refuses a claim that expects an epoch of the past, and changes nothing', async () => {
        const a = await joined('a');
        const b = await joined('b');
        await won(a, undefined);
        await won(a, 1);
        const stale = await world.settle(b.coordinator.claim(1 as Epoch));
        expect(stale).toMatchObject({ outcome: 'lost', view: { epoch: 2, active: a.member } });
        const first = await world.settle(b.coordinator.claim(undefined));
        expect(first).toMatchObject({ outcome: 'lost', view: { epoch: 2, active: a.member } });
      });

      it('refuses a claim that expects an epoch of the future', async () => {
        const a = await joined('a');
        await won(a, undefined);
        expect(await world.settle(a.coordinator.claim(7 as Epoch))).toMatchObject({
          outcome: 'lost',
          view: { epoch: 1 },
        });
      });

      it('takes over from a holder that is alive, whose epoch is then superseded', async () => {
        const a = await joined('a');
        const b = await joined('b');
        const old = await won(a, undefined);
        expect(await world.settle(a.coordinator.verify(old))).toBe('current');
        const epoch = await won(b, old);
        expect(epoch).toBe(2);
        expect(await world.settle(a.coordinator.verify(old))).toBe('superseded');
        expect(await world.settle(a.coordinator.verify(epoch))).toBe('superseded');
        expect(await world.settle(b.coordinator.verify(epoch))).toBe('current');
        await world.until(() => a.view().epoch === 2);
        expect(a.view()).toEqual({ epoch: 2, active: b.member, members: [a.member, b.member] });
      });

      it('counts a claim as won whose answer was lost, and raises the epoch once', async () => {
        const a = await joined('a');
        await won(a, undefined);
        world.loseNextAnswer(a.coordinator);
        expect(await won(a, 1)).toBe(2);
        expect(await world.settle(a.coordinator.readView())).toMatchObject({ epoch: 2, active: a.member });
      });

      it('counts a first claim as won whose answer was lost', async () => {
        const a = await joined('a');
        world.loseNextAnswer(a.coordinator);
        expect(await won(a, undefined)).toBe(1);
        expect(await world.settle(a.coordinator.verify(1 as Epoch))).toBe('current');
      });
    });

    describe('giving up', () => {
      it('leaves the epoch without a holder after a resignation, until the next claim', async () => {
        const a = await joined('a');
        const b = await joined('b');
        const epoch = await won(a, undefined);
        await world.until(() => b.view().active !== undefined);
        await world.settle(a.coordinator.resign(epoch));
        await world.until(() => b.view().active === undefined);
        expect(b.view()).toEqual({ epoch: 1, active: undefined, members: [a.member, b.member] });
        expect(await world.settle(a.coordinator.verify(epoch))).toBe('superseded');
        expect(await won(b, 1)).toBe(2);
      });

      it('does not let a former holder resign what another holds', async () => {
        const a = await joined('a');
        const b = await joined('b');
        const old = await won(a, undefined);
        const epoch = await won(b, old);
        await world.settle(a.coordinator.resign(old));
        await world.settle(a.coordinator.resign(epoch));
        expect(await world.settle(b.coordinator.verify(epoch))).toBe('current');
      });

      it('shows at once that the active left, and keeps the epoch', async () => {
        const a = await joined('a');
        const b = await joined('b');
        await won(a, undefined);
        await world.until(() => b.view().active !== undefined);
        await world.settle(a.coordinator.leave());
        await world.until(() => b.view().members.length === 1);
        expect(b.view()).toEqual({ epoch: 1, active: undefined, members: [b.member] });
      });

      it('tells a listener nothing after it left', async () => {
        const a = await joined('a');
        const b = await joined('b');
        await world.settle(a.coordinator.leave());
        const seen = a.views.length;
        await won(b, undefined);
        await world.until(() => b.view().active !== undefined);
        expect(a.views).toHaveLength(seen);
        expect(a.connection).toEqual([]);
      });
    });

    describe('trouble', () => {
      it('shows that the active died, and lets another claim', async () => {
        const a = await joined('a');
        const b = await joined('b');
        await won(a, undefined);
        await world.until(() => b.view().active !== undefined);
        world.kill(a.coordinator);
        await world.until(() => b.view().active === undefined);
        expect(b.view()).toEqual({ epoch: 1, active: undefined, members: [b.member] });
        expect(await won(b, 1)).toBe(2);
      });

      it('expires an active that is cut off, tells it so, and lets it back in as what it then is', async () => {
        const a = await joined('a');
        const b = await joined('b');
        const old = await won(a, undefined);
        await world.until(() => b.view().active !== undefined);
        world.cut(a.coordinator);
        await world.until(() => a.connection.length > 0 && b.view().active === undefined);
        expect(a.connection).toEqual(['lost']);
        expect(b.view()).toEqual({ epoch: 1, active: undefined, members: [b.member] });
        const epoch = await won(b, old);
        const seen = a.views.length;
        world.heal(a.coordinator);
        await world.until(() => a.connection.length > 1);
        expect(a.connection).toEqual(['lost', 'back']);
        expect(a.views.length).toBeGreaterThan(seen);
        expect(a.view()).toEqual({ epoch, active: b.member, members: [a.member, b.member] });
        expect(a.coordinator.authorityUntil_ms()).toBeGreaterThan(world.now_ms());
        expect(await world.settle(a.coordinator.verify(old))).toBe('superseded');
        await world.until(() => b.view().members.length === 2);
      });

      it('answers every call of a client that is cut off, within its deadline', async () => {
        const a = await joined('a');
        const epoch = await won(a, undefined);
        world.cut(a.coordinator);
        const calls = await world.settle(
          Promise.allSettled([
            a.coordinator.verify(epoch),
            a.coordinator.claim(epoch),
            a.coordinator.readView(),
            a.coordinator.resign(epoch),
            a.coordinator.readAppRecord('orders'),
          ]),
        );
        expect(calls.map((call) => call.status)).toEqual([
          'fulfilled',
          'fulfilled',
          'rejected',
          'rejected',
          'rejected',
        ]);
        expect(calls[0]).toMatchObject({ value: 'unanswered' });
        expect(calls[1]).toMatchObject({ value: { outcome: 'unknown' } });
        await world.settle(a.coordinator.leave());
      });

      it('says unknown of a claim that took place unheard, and it stands', async () => {
        const a = await joined('a');
        const b = await joined('b');
        await won(a, undefined);
        world.loseNextAnswer(a.coordinator);
        const claim = a.coordinator.claim(1 as Epoch);
        await world.until(() => b.view().epoch === 2);
        world.cut(a.coordinator);
        expect((await world.settle(claim)).outcome).toMatch(/^(unknown|won)$/);
        world.heal(a.coordinator);
        expect(await won(b, 2)).toBe(3);
      });
    });

    describe('app records', () => {
      const app: AppName = 'orders';
      const record: AppRecord = {
        lanes: 2,
        appVersion: 3,
        topologyHash: 'abc',
        genesis: { 'orders/0': '9007199254740991', 'orders/1': '0' },
        initialised: [],
      };
      const changed: AppRecord = { ...record, initialised: ['postgres'] };

      it('has no record of an app until one is written, and then gives it back as it was', async () => {
        const { coordinator } = await joined('a');
        expect(await world.settle(coordinator.readAppRecord(app))).toBeUndefined();
        expect(await world.settle(coordinator.writeAppRecord(app, record, undefined))).toBe(true);
        const read = await world.settle(coordinator.readAppRecord(app));
        expect(read?.record).toEqual(record);
        expect(await world.settle(coordinator.readAppRecord('payments'))).toBeUndefined();
      });

      it('writes only over the version that was expected', async () => {
        const { coordinator } = await joined('a');
        const other = (await joined('b')).coordinator;
        expect(await world.settle(coordinator.writeAppRecord(app, record, 1))).toBe(false);
        expect(await world.settle(coordinator.writeAppRecord(app, record, undefined))).toBe(true);
        expect(await world.settle(other.writeAppRecord(app, changed, undefined))).toBe(false);
        const first = await world.settle(other.readAppRecord(app));
        expect(await world.settle(other.writeAppRecord(app, changed, first?.version))).toBe(true);
        expect(await world.settle(coordinator.writeAppRecord(app, record, first?.version))).toBe(false);
        expect((await world.settle(coordinator.readAppRecord(app)))?.record).toEqual(changed);
      });

      it('lets exactly one of several writers at the same time be first, though they write the same', async () => {
        const writers = [await joined('a'), await joined('b'), await joined('c')];
        const written = await world.settle(
          Promise.all(writers.map(({ coordinator }) => coordinator.writeAppRecord(app, record, undefined))),
        );
        expect(written.filter(Boolean)).toHaveLength(1);
      });

      it('counts a record as written whose answer was lost', async () => {
        const { coordinator } = await joined('a');
        world.loseNextAnswer(coordinator);
        expect(await world.settle(coordinator.writeAppRecord(app, record, undefined))).toBe(true);
        expect((await world.settle(coordinator.readAppRecord(app)))?.record).toEqual(record);
      });

      it('forgets a record that is deleted, also one that is not there', async () => {
        const { coordinator } = await joined('a');
        await world.settle(coordinator.deleteAppRecord(app));
        await world.settle(coordinator.writeAppRecord(app, record, undefined));
        await world.settle(coordinator.deleteAppRecord(app));
        expect(await world.settle(coordinator.readAppRecord(app))).toBeUndefined();
        expect(await world.settle(coordinator.writeAppRecord(app, record, undefined))).toBe(true);
      });
    });
  });
}

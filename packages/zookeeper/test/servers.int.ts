// Servers that are stopped and started, that negotiate, and what they say of themselves.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Epoch } from '@tandem/pair';
import { describeWithStack, startZooKeeper, type ZooKeeperServer } from '@tandem/stack';
import { askServer, negotiateSession } from '@tandem/zookeeper';
import { clock, until } from '@tandem/ports/contract';
import { Stage } from './support/stage.ts';
import { systemAt } from './support/system.ts';

jest.setTimeout(60_000);

describeWithStack(
  'a ZooKeeper server',
  () => {
    let folder: string;
    let server: ZooKeeperServer;
    let stage: Stage;

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'tandem-zookeeper-'));
      server = await startZooKeeper({ dataDir: folder, tickTime_ms: 750 });
    });

    beforeEach(() => {
      stage = new Stage(server.address);
    });

    afterEach(async () => {
      await stage.close();
    });

    afterAll(async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    });

    it('decides how long a session lasts, and the coordinator goes by that', async () => {
      const a = await stage.join('a');
      expect(a.coordinator.sessionTimeout_ms).toBe(1500);
      const before_ms = clock.now_ms();
      await a.coordinator.readView();
      expect(a.coordinator.authorityUntil_ms()).toBeGreaterThanOrEqual(before_ms + 1500);
      const place = { system: systemAt(server.address), pair: stage.pair, clock };
      expect(await negotiateSession(place, 1000)).toBe(1500);
      expect(await negotiateSession(place, 2000)).toBe(2000);
    });

    it('says its version and what it allows', async () => {
      const facts = await askServer({ system: systemAt(server.address), pair: stage.pair, clock });
      expect(facts).toEqual({
        server: server.address,
        version: expect.stringMatching(/^3\.9\.\d+$/) as string,
        leastSession_ms: 1500,
        mostSession_ms: 60_000,
      });
    });

    it.each(['is killed', 'hangs'] as const)(
      'that %s leaves both nodes without a coordinator until it is back',
      async (how) => {
        const a = await stage.join('a');
        const b = await stage.join('b');
        await a.coordinator.claim(undefined);
        await until(() => b.view()?.active !== undefined);
        if (how === 'is killed') await server.kill();
        else server.signal('SIGSTOP');
        await until(() => a.connection.length > 0 && b.connection.length > 0);
        expect(await a.coordinator.verify(1 as Epoch)).toBe('unanswered');
        expect((await b.coordinator.claim(1 as Epoch)).outcome).toBe('unknown');
        if (how === 'is killed') await server.start();
        else server.signal('SIGCONT');
        await until(() => a.connection.length === 2 && b.connection.length === 2);
        expect(a.connection).toEqual(['lost', 'back']);
        expect(b.connection).toEqual(['lost', 'back']);
        await until(() => a.view()?.members.length === 2 && b.view()?.members.length === 2);
        const epoch = (await b.coordinator.readView()).epoch;
        expect(epoch).toBeGreaterThanOrEqual(1);
        expect(await b.coordinator.claim(epoch)).toMatchObject({ outcome: 'won', epoch: Number(epoch) + 1 });
        expect(await a.coordinator.verify(1 as Epoch)).toBe('superseded');
      },
    );
  },
  ['zookeeper-3.9'],
);

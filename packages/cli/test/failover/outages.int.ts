// PostgreSQL goes away under load, with both nodes up, and comes back: where everything is in it they wait, and go on by
// themselves; where only the revisions are in it they go on without. Kafka and ZooKeeper away: kafka-faults.int.ts.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createDatabase, startEmbedded, type EmbeddedServer } from '@tandem/embedded';
import { waitFor } from '@tandem/harness';
import { describeWithStack } from '@tandem/stack';
import { scenariosOn } from './support/scenario.ts';
import type { StackName } from './support/stacks.ts';
import { Stage } from './support/stage.ts';

const rate_per_s = 300;

let folder: string;
let server: EmbeddedServer;

async function open(stack: StackName): Promise<Stage> {
  folder = await mkdtemp(path.join(tmpdir(), 'tandem-outages-'));
  await chmod(folder, 0o755);
  server = await startServer();
  const stage = await Stage.open({ stack, url: await createDatabase(server.url, 'outages') });
  stage.serverGoesAway = true;
  stage.afterClose(async () => {
    await server.stop();
    await rm(server.dataDir, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });
  return stage;
}

function startServer(): Promise<EmbeddedServer> {
  return startEmbedded({ dataDir: folder, settings: { fsync: 'off', max_connections: '100' } });
}

/** Fast shutdown, or kill -9 of the postmaster; resolves when the process is gone. */
async function end(how: 'SIGINT' | 'SIGKILL'): Promise<void> {
  const { pid } = server;
  process.kill(pid, how);
  await waitFor('the server is gone', { limit_ms: 30_000 }, () => {
    try {
      process.kill(pid, 0);
      return undefined;
    } catch {
      return true;
    }
  });
}

describe('everything in PostgreSQL', () => {
  const scenario = scenariosOn(() => open('postgres'));

  describe.each(['SIGINT', 'SIGKILL'] as const)('the server gets %s and is started again', (how) => {
    scenario(
      'both nodes wait, say so, and go on by themselves',
      async (stage) => {
        for (let round = 0; round < 2; round++) {
          const active = await stage.underLoad({ rate_per_s, outputs: 100 });
          const passive = stage.other(active);
          await end(how);
          for (const id of [active, passive]) {
            await stage.isDegraded(id);
            expect(await stage.pair.status(id, '/readyz')).toBe(503);
          }
          server = await startServer();
          await stage.ready(60_000);
          await stage.moreOutputs(100);
          await stage.expectExact();
          const now = await stage.ready();
          await stage.expectTruth({ active: now, passive: [stage.other(now)] });
          for (const id of [active, passive]) expect((await stage.app(id, 'tally')).restarts).toBe(0);
        }
      },
      150_000,
    );
  });

  scenario(
    'an active killed while the server is away is replaced when the server is back',
    async (stage) => {
      const active = await stage.underLoad({ rate_per_s, outputs: 100 });
      await end('SIGKILL');
      await stage.isDegraded(stage.other(active));
      await stage.kill(active);
      server = await startServer();
      expect(await stage.ready(60_000)).toBe(stage.other(active));
      await stage.moreOutputs(100);
      await stage.start(active);
      await stage.expectWhole(stage.other(active));
    },
    150_000,
  );
});

describeWithStack(
  'only the revisions in PostgreSQL',
  () => {
    const scenario = scenariosOn(() => open('kafka'));

    scenario(
      'the server is killed: both nodes go on, say so, and one takes over from the other all the same',
      async (stage) => {
        const active = await stage.underLoad({ rate_per_s, outputs: 100 });
        const passive = stage.other(active);
        await end('SIGKILL');
        await waitFor(`${active} says that it stores nothing`, { limit_ms: 20_000 }, async () =>
          (await stage.node(active)).troubles.join().includes('last revision not stored') ? true : undefined,
        );
        await stage.moreOutputs(500);
        await stage.kill(active);
        await stage.pair.waitActive({ not: active });
        await stage.moreOutputs(200);
        server = await startServer();
        await stage.start(active);
        await stage.expectWhole(passive);
      },
    );
  },
  ['kafka', 'zookeeper'],
);

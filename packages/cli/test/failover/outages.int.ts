// PostgreSQL goes away under load, with both nodes up, and comes back: they wait, and go on by themselves.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createDatabase, startEmbedded, type EmbeddedServer } from '@tandem/embedded';
import { waitFor } from '@tandem/harness';
import { scenario } from './support/scenario.ts';
import { Stage } from './support/stage.ts';

const rate_per_s = 300;

let folder: string;
let server: EmbeddedServer;
let stage: Stage;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tandem-outages-'));
  await chmod(folder, 0o755);
  server = await startServer();
  stage = await Stage.open({ url: await createDatabase(server.url, 'outages') });
  stage.serverGoesAway = true;
  await stage.start();
}, 60_000);

afterAll(async () => {
  await stage.close();
  await server.stop();
  await rm(server.dataDir, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}, 60_000);

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

async function isDegraded(id: string): Promise<void> {
  await waitFor(`${id} says that its coordinator is away`, { limit_ms: 20_000 }, async () => {
    const report = await stage.pair.get<{ coordinator: { connected: boolean } }>(id, '/v1/node');
    return report?.coordinator.connected === false ? true : undefined;
  });
}

describe.each(['SIGINT', 'SIGKILL'] as const)('the server gets %s and is started again', (how) => {
  scenario(
    'both nodes wait, say so, and go on by themselves',
    () => stage,
    async () => {
      for (let round = 0; round < 2; round++) {
        const active = await stage.underLoad({ rate_per_s, outputs: 100 });
        const passive = stage.other(active);
        await end(how);
        for (const id of [active, passive]) {
          await isDegraded(id);
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
  () => stage,
  async () => {
    const active = await stage.underLoad({ rate_per_s, outputs: 100 });
    await end('SIGKILL');
    await isDegraded(stage.other(active));
    await stage.kill(active);
    server = await startServer();
    expect(await stage.ready(60_000)).toBe(stage.other(active));
    await stage.moreOutputs(100);
    await stage.start(active);
    await stage.expectWhole(stage.other(active));
  },
  150_000,
);

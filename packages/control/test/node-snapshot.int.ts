// The snapshot that a node hands out over HTTP while it works: whole it is the state, cut off it is nothing.
import { gunzipSync, gzipSync } from 'node:zlib';
import { asEpoch } from '@tandem/pair';
import { createPostgresSnapshotStore } from '@tandem/postgres';
import { FrameReader, frameType, readEntries, readTaskBegin } from '@tandem/snapshot';
import { appWhen, eventually, expectedOutputs, isInSync, isLive, Stage } from './support/stage.ts';

jest.setTimeout(60_000);

const pair = 'download';
const orders = 6_000;

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterEach(() => stage.stopNodes());
afterAll(() => stage.close());

interface Contents {
  /** Of its task. */
  readonly position: number;
  /** Of the app's store, by key. */
  readonly totals: ReadonlyMap<string, unknown>;
}

/** Takes the unpacked bytes in pieces, as from a network. */
function contents(snapshot: Uint8Array): Contents {
  const reader = new FrameReader('whole');
  const totals = new Map<string, unknown>();
  let position: number | undefined;
  for (let at = 0; at < snapshot.length; at += 1_000) {
    for (const frame of reader.push(snapshot.subarray(at, at + 1_000))) {
      if (frame.type === frameType.taskBegin) position = Number(readTaskBegin(frame).position);
      if (frame.type !== frameType.storeChunk) continue;
      readEntries(frame.payload, ([key, value]) => totals.set(String(key), value));
    }
  }
  reader.finish();
  if (position === undefined) throw new Error('it holds no task');
  return { position, totals };
}

function read(snapshot: Uint8Array): number {
  return contents(snapshot).position;
}

it('is refused when cut off anywhere, and restores exactly the state of its position when whole', async () => {
  const node = await stage.start(pair, 'a');
  await appWhen(node, isLive);
  const feeding = stage.feed(pair, 0, orders);
  await stage.outputCount(pair, 500);
  const taken: Buffer[] = [];
  while (taken.length < 5) taken.push((await node.ask('GET', '/v1/apps/totals/snapshot')).body);
  await feeding;
  await stage.outputCount(pair, orders);

  for (const packed of taken) {
    const snapshot = gunzipSync(packed);
    expect(read(snapshot)).toBeLessThanOrEqual(orders);
    for (const part of [0.2, 0.5, 0.9]) {
      expect(() => gunzipSync(packed.subarray(0, Math.floor(packed.length * part)))).toThrow();
      expect(() => read(snapshot.subarray(0, Math.floor(snapshot.length * part)))).toThrow(
        /cut off|holds no|not whole/,
      );
    }
    expect(() => read(snapshot.subarray(0, snapshot.length - 1))).toThrow(/cut off/);
    expect(() => read(Buffer.concat([snapshot, snapshot]))).toThrow();
  }
  await node.handle.stop();

  // The first one becomes the only state there is: what went before it is gone from the input.
  const first = gunzipSync(taken[0] ?? Buffer.alloc(0));
  const position = read(first);
  const store = createPostgresSnapshotStore({ url: stage.url, schema: 'tandem', pair });
  const { version, topologyHash } = (await stage.code('totals')).description;
  const head = { app: 'totals', appVersion: version, topologyHash, epoch: asEpoch(1) };
  const positions = { 'orders/0': String(position) };
  const stored = await store.write(head, one(gzipSync(first)), () => positions);
  await store.close();
  expect(stored.outcome).toBe('stored');
  await stage.sql(`DELETE FROM tandem."log_${pair}.orders" WHERE "offset" < $1`, [position]);

  const after = await stage.start(pair, 'a');
  await appWhen(after, isLive);
  await stage.feed(pair, orders, 50);
  await stage.outputCount(pair, orders + 50);
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(orders + 50));
});

// eslint-disable-next-line @typescript-eslint/require-await -- the store reads a stream
async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

it('is given up when the node ends before its first piece was asked for, and does not hold the node up', async () => {
  const node = await stage.start('ending', 'a');
  await appWhen(node, isLive);
  await node.persist();
  await stage.sql('BEGIN');
  // The node's leaving waits for this, the store for what comes after the savepoint.
  await stage.sql('SELECT 1 FROM tandem.member WHERE pair = $1 FOR UPDATE', ['ending']);
  await stage.sql('SAVEPOINT storing');
  await stage.sql('LOCK TABLE tandem.snapshot_fence');
  const stored = node.persist().then(
    () => 'stored',
    () => 'given up',
  );
  await eventually('the store waits for the lock', async () => {
    const waiting = await stage.sql(
      `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'tandem.snapshot_fence'::regclass`,
    );
    return waiting.length > 0 ? true : undefined;
  });
  const stopping = node.handle.stop();
  await eventually('the lanes are closed', async () => {
    await stage.sql('SELECT pg_stat_clear_snapshot()');
    const publishers = await stage.sql(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'tandem publisher%'`,
    );
    return publishers.length === 0 ? true : undefined;
  });
  await stage.sql('ROLLBACK TO SAVEPOINT storing');
  expect(await stored).toBe('given up');
  await stage.sql('COMMIT');
  await stopping;
  expect(node.end).toMatchObject({ blame: 'none' });
});

it('is the state of its position too when its node hands over, takes over or stores a revision meanwhile', async () => {
  const name = 'moving';
  const first = await stage.start(name, 'a');
  await appWhen(first, isLive);
  const second = await stage.start(name, 'b');
  await appWhen(second, isInSync);
  const nodes = [first, second];
  let over = false;
  const taken = nodes.map(() => [] as Buffer[]);
  const repeat = async (work: () => Promise<unknown>): Promise<void> => {
    while (!over) await work();
  };
  const background = nodes.flatMap((node, index) => [
    repeat(async () => {
      const { status, body } = await node.ask('GET', '/v1/apps/totals/snapshot');
      if (status === 200) taken[index]?.push(body);
    }),
    // Only the active stores.
    repeat(async () => {
      const { status } = await node.ask('POST', '/v1/apps/totals/revisions');
      if (status !== 200 && status !== 201) await new Promise((resolve) => setTimeout(resolve, 50));
    }),
  ]);
  let fed = 0;
  let handed = 0;
  for (let round = 0; round < 6; round++) {
    await stage.feed(name, fed, 300);
    fed += 300;
    const active = (await first.node()).role === 'active' ? first : second;
    const { status } = await active.ask('POST', '/v1/pair/switchover');
    if (status === 200) handed++;
    await stage.outputCount(name, fed);
  }
  over = true;
  await Promise.all(background);

  expect(handed).toBeGreaterThanOrEqual(3);
  expect(await stage.outputs(name)).toEqual(expectedOutputs(fed));
  for (const snapshots of taken) {
    expect(snapshots.length).toBeGreaterThan(3);
    for (const packed of snapshots) {
      const { position, totals } = contents(gunzipSync(packed));
      const outputs = expectedOutputs(position).map((text) => JSON.parse(text) as { readonly id: string });
      expect(totals).toEqual(new Map(outputs.map((total) => [total.id, total])));
    }
  }
});

// Time is all that keeps two nodes apart at a sink without a fence (S11), and what a takeover leaves of the outputs.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { outputBatch } from '@tandem/ports/contract';
import { build } from 'esbuild';
import { clock, until } from '@tandem/ports/contract';
import { genesis, open, publishAll, publishSome, step, steps } from './support/publishing.ts';
import { answer, silence } from './support/server.ts';
import { stageOfThisFile } from './support/stage.ts';

jest.setTimeout(120_000);

const stage = stageOfThisFile();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tandem-http-'));
  await build({
    entryPoints: [path.join(__dirname, 'support/sender.ts')],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    conditions: ['@tandem/source'],
    external: ['pg-native'],
    outfile: path.join(folder, 'sender.cjs'),
    logLevel: 'error',
  });
}, 60_000);

afterAll(() => rm(folder, { recursive: true }));

describe('authority (S11)', () => {
  it('is needed to send anything; positions without outputs move all the same', async () => {
    const publisher = await stage.create();
    publisher.authorityUntil?.(clock.now_ms() - 1);
    await open(publisher, 1, genesis);
    expect(await publisher.publish(step(0, 3))).toMatchObject({
      outcome: 'retryable',
      cause: { code: 'no-authority' },
    });
    expect(stage.receiver.arrived).toEqual([]);
    await publishAll(publisher, outputBatch([['in/1', 0, 5]], []));
    publisher.authorityUntil?.(Number.POSITIVE_INFINITY);
    await publishAll(publisher, step(0, 3));
    expect(stage.receiver.bodies()).toEqual(['in/0 0', 'in/0 1', 'in/0 2']);
  });

  it('is waited for while a call lasts', async () => {
    const publisher = await stage.create();
    publisher.authorityUntil?.(clock.now_ms() - 1);
    await open(publisher, 1, genesis);
    const publishing = publisher.publish(step(0, 1));
    await new Promise(setImmediate);
    publisher.authorityUntil?.(clock.now_ms() + 60_000);
    expect(await publishing).toEqual({ outcome: 'published' });
  });

  it('ends every request before its deadline, and begins no other one after it', async () => {
    const publisher = await stage.create();
    await open(publisher, 1, genesis);
    stage.receiver.next.push(answer(200), answer(200));
    stage.receiver.usual = silence;
    const deadline_ms = clock.now_ms() + 1500;
    publisher.authorityUntil?.(deadline_ms);
    await publishSome(publisher, step(0, 10), 2);
    await until(() => stage.receiver.aborted === 1);
    stage.receiver.usual = answer(200);
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(await publisher.publish(step(2, 10))).toMatchObject({
        outcome: 'retryable',
        cause: { code: 'no-authority' },
      });
    }
    expect(stage.receiver.arrived).toHaveLength(3);
    expect(Math.max(...stage.receiver.arrived.map(({ at_ms }) => at_ms))).toBeLessThan(deadline_ms);
    // The coordinator answers again: on in the same opening.
    publisher.authorityUntil?.(clock.now_ms() + 60_000);
    await publishAll(publisher, step(2, 10));
    expect(stage.receiver.firsts().map(({ body }) => body)).toEqual(
      Array.from({ length: 10 }, (_, n) => `in/0 ${String(n)}`),
    );
  });

  it('that is renewed in time lets a request go on', async () => {
    const publisher = await stage.create();
    await open(publisher, 1, genesis);
    const held: (() => void)[] = [];
    stage.receiver.usual = (response) => held.push(() => response.end());
    for (let round = 0; round < 3; round++) {
      publisher.authorityUntil?.(clock.now_ms() + 1000);
      expect((await publisher.publish(step(0, 1))).outcome).toBe('published');
    }
    expect(stage.receiver.arrived).toHaveLength(1);
    held[0]?.();
    await publishAll(publisher, step(0, 1));
    expect(stage.receiver.aborted).toBe(0);
  });
});

describe('a takeover', () => {
  it('fences the old publisher where positions are kept: what it still sends bears the same keys, and it is told', async () => {
    const old = await stage.create();
    await open(old, 1, genesis);
    await publishAll(old, step(0, 3));
    const young = await stage.create();
    expect(Object.fromEntries(await open(young, 2))).toMatchObject({ 'in/0': 3 });
    // Nothing but time would have kept it from this.
    expect(await old.publish(step(3, 5))).toEqual({ outcome: 'fenced', byEpoch: 2 });
    expect(await old.publish(step(3, 5))).toMatchObject({ outcome: 'fenced' });
    await publishAll(young, step(3, 6));
    const keys = stage.receiver.arrived.map(({ key }) => key);
    expect(keys).toHaveLength(8);
    expect(new Set(keys).size).toBe(6);
  });

  it('after kill -9 in the middle loses nothing, keeps the order, and what comes twice bears the same key', async () => {
    stage.receiver.usual = (response) => setTimeout(() => response.end(), 1);
    const child = spawn(process.execPath, [path.join(folder, 'sender.cjs'), stage.url, stage.app, stage.receiver.url], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    try {
      await until(() => stage.receiver.arrived.length >= 700, 60_000);
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    const publisher = await stage.create();
    const positions = await open(publisher, 2);
    const before = stage.receiver.arrived.length;
    const end = 1500;
    await publishAll(publisher, steps(['in/0', 'in/1'].map((task) => [task, positions.get(task) ?? -1, end])));
    for (const task of ['in/0', 'in/1']) {
      const firsts = stage.receiver.firsts().map(({ body }) => body);
      const expected = Array.from({ length: end }, (_, position) => `${task} ${String(position)}`);
      expect(firsts.filter((body) => body.startsWith(task))).toEqual(expected);
    }
    // One key, one output: whoever looks at keys sees each once.
    const bodies = new Map(stage.receiver.arrived.map(({ key, body }) => [key, body]));
    expect(stage.receiver.arrived.filter(({ key, body }) => bodies.get(key) !== body)).toEqual([]);
    expect(bodies.size).toBe(2 * end);
    expect(stage.receiver.arrived.length - before).toBeLessThanOrEqual(2 * end);
    expect(Math.min(...[...positions.values()])).toBeGreaterThan(0);
  });
});

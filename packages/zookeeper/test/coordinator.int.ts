// What only ZooKeeper's coordinator can get wrong, on a real server: processes that die or stop, links that break in
// every way, entries of other sessions, and what else can be found in the znodes.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Epoch } from '@tandem/pair';
import { describeWithStack, sharedTestZooKeeper } from '@tandem/stack';
import { createZookeeperCoordinatorReader, prepareZookeeper, raiseEpoch } from '@tandem/zookeeper';
import { clock, until } from '@tandem/ports/contract';
import { Stage } from './support/stage.ts';
import { systemAt } from './support/system.ts';

jest.setTimeout(60_000);

let address = '';
let stage: Stage;

async function activeProcess(node: string): Promise<{ readonly child: ChildProcess; readonly output: () => string }> {
  const script = path.join(__dirname, 'support', 'member-process.ts');
  const run = path.join(__dirname, '..', '..', '..', 'scripts', 'run.mjs');
  const child = spawn(process.execPath, [run, script, address, stage.pair, node], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  stage.atEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  await until(() => output.includes('active'));
  return { child, output: () => output };
}

/** Sent by an ensemble when a session has gone to another server. */
const sessionMoved = -118;

/** Of a chunk that holds whole ones: length, then transaction id (-1: a notification), then zxid, then error code. */
function packets(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readInt32BE(at);
    found.push(bytes.subarray(at, end));
    at = end;
  }
  return found;
}

const isNotification = (packet: Buffer): boolean => packet.readInt32BE(4) === -1;

function withError(packet: Buffer, code: number): Buffer {
  const changed = Buffer.from(packet.subarray(0, 20));
  changed.writeInt32BE(16, 0);
  changed.writeInt32BE(code, 16);
  return changed;
}

describeWithStack(
  'the coordinator on ZooKeeper',
  () => {
    beforeAll(async () => {
      ({ address } = await sharedTestZooKeeper());
    });

    beforeEach(() => {
      stage = new Stage(address);
    });

    afterEach(async () => {
      await stage.close();
    });

    describe('processes', () => {
      it('shows that a process was killed when its session has ended, and lets another claim', async () => {
        const { child } = await activeProcess('a');
        const b = await stage.join('b');
        expect(b.view()).toMatchObject({ epoch: 1, active: { node: 'a' } });
        child.kill('SIGKILL');
        await until(() => b.view()?.active === undefined);
        expect(b.view()).toEqual({ epoch: 1, active: undefined, members: [b.self] });
        expect(await b.coordinator.claim(1 as Epoch)).toEqual({ outcome: 'won', epoch: 2 });
      });

      it('lets another claim at once over one that was killed, whose entry is still there', async () => {
        const { child } = await activeProcess('a');
        const b = await stage.join('b');
        child.kill('SIGKILL');
        expect(await b.coordinator.claim(1 as Epoch)).toEqual({ outcome: 'won', epoch: 2 });
        await until(() => b.view()?.members.length === 1);
        expect(b.view()).toEqual({ epoch: 2, active: b.self, members: [b.self] });
        expect(await b.coordinator.verify(2 as Epoch)).toBe('current');
      });

      it('expires a process that was stopped, and takes it back in as a member when it goes on', async () => {
        const { child, output } = await activeProcess('a');
        const b = await stage.join('b');
        child.kill('SIGSTOP');
        await until(() => b.view()?.active === undefined);
        expect(await b.coordinator.claim(1 as Epoch)).toEqual({ outcome: 'won', epoch: 2 });
        child.kill('SIGCONT');
        await until(() => output().includes('back'));
        expect(output()).toContain('lost\nback');
        await until(() => b.view()?.members.length === 2);
        expect(b.view()).toMatchObject({ epoch: 2, active: b.self });
      });

      it('lets a process start again under the node id of one that was killed, once its session has ended', async () => {
        const { child } = await activeProcess('a');
        child.kill('SIGKILL');
        const a = await stage.join('a');
        expect(a.view()).toEqual({ epoch: 1, active: undefined, members: [a.self] });
      });

      it('refuses a node id that a silent session keeps beyond its time', async () => {
        await prepareZookeeper({ system: systemAt(address), pair: stage.pair, clock });
        const bystander = await stage.bystander();
        const other = { node: 'a', incarnation: 'a-elsewhere', address: 'http://127.0.0.1:3' };
        await bystander.create(`${stage.root}/members/a`, JSON.stringify(other), 'ephemeral');
        await expect(stage.join('a')).rejects.toMatchObject({
          code: 'node-id-taken',
          blame: 'user',
          message: expect.stringContaining('a-elsewhere') as string,
        });
      });
    });

    describe('links', () => {
      it('keeps session and epoch when connections break, again and again, and nobody is told', async () => {
        const { proxy, system } = await stage.link();
        const a = await stage.join('a', system);
        await a.coordinator.claim(undefined);
        const bystander = await stage.bystander();
        const { owner } = await bystander.read(`${stage.root}/active`);
        for (let round = 0; round < 5; round += 1) {
          proxy.breakLinks();
          expect(await a.coordinator.verify(1 as Epoch)).toBe('current');
        }
        expect(await bystander.read(`${stage.root}/active`)).toMatchObject({ owner });
        expect((await bystander.read(`${stage.root}/members/a`)).owner).toBe(owner);
        expect(a.connection).toEqual([]);
      });

      it('keeps its session when a server that is just starting takes in a request to connect and never answers', async () => {
        const { proxy, system } = await stage.link();
        const a = await stage.join('a', system, 4000);
        await a.coordinator.claim(undefined);
        const bystander = await stage.bystander();
        const { owner } = await bystander.read(`${stage.root}/active`);
        proxy.die();
        await until(() => proxy.refused > 5);
        proxy.ignoreNextLink();
        proxy.revive();
        expect(await a.coordinator.verify(1 as Epoch)).toBe('current');
        expect((await bystander.read(`${stage.root}/active`)).owner).toBe(owner);
      });

      it('goes on after an answer that broke off in the middle of a packet', async () => {
        const { proxy, system } = await stage.link();
        const a = await stage.join('a', system);
        proxy.tearAnswerTo(/"epoch":/);
        expect(await a.coordinator.claim(undefined)).toEqual({ outcome: 'won', epoch: 1 });
        proxy.tearAnswerTo(/active/);
        expect(await a.coordinator.verify(1 as Epoch)).toBe('current');
        expect(await a.coordinator.readView()).toEqual({ epoch: 1, active: a.self, members: [a.self] });
      });

      it('gives up authority over a link that is silent but looks open, and holds the epoch again if it is back in time', async () => {
        const { proxy, system } = await stage.link();
        const a = await stage.join('a', system, 4000);
        await a.coordinator.claim(undefined);
        proxy.blackHole();
        await until(() => a.connection.length === 1);
        expect(a.connection).toEqual(['lost']);
        expect(a.coordinator.authorityUntil_ms()).toBeGreaterThan(clock.now_ms());
        proxy.heal();
        await until(() => a.connection.length === 2);
        expect(a.connection).toEqual(['lost', 'back']);
        expect(a.view()).toEqual({ epoch: 1, active: a.self, members: [a.self] });
        expect(await a.coordinator.verify(1 as Epoch)).toBe('current');
      });

      it('has no authority left once a link was silent for the session time-out', async () => {
        const { proxy, system } = await stage.link();
        const a = await stage.join('a', system);
        proxy.blackHole();
        await until(() => a.coordinator.authorityUntil_ms() < clock.now_ms());
        expect(a.connection).toEqual(['lost']);
      });

      it('sees what changed though no watch ever tells', async () => {
        const { proxy, system } = await stage.link();
        const b = await stage.join('b', system);
        let unheard = 0;
        proxy.rewriteAnswers = (bytes) => {
          const answers = packets(bytes).filter((packet) => !isNotification(packet));
          unheard += packets(bytes).length - answers.length;
          return Buffer.concat(answers);
        };
        const a = await stage.join('a');
        await until(() => b.view()?.members.length === 2);
        await a.coordinator.claim(undefined);
        await until(() => b.view()?.active?.node === 'a');
        await a.coordinator.leave();
        await until(() => b.view()?.members.length === 1);
        expect(b.view()).toEqual({ epoch: 1, active: undefined, members: [b.self] });
        expect(b.connection).toEqual([]);
        expect(unheard).toBeGreaterThan(3);
      });

      it('connects anew after an answer that the client library does not understand', async () => {
        const { proxy, system } = await stage.link();
        const a = await stage.join('a', system);
        let moved = 0;
        proxy.rewriteAnswers = (bytes) => {
          const [first] = packets(bytes);
          if (first === undefined || moved === 3 || isNotification(first)) return bytes;
          moved += 1;
          return withError(first, sessionMoved);
        };
        expect(await a.coordinator.claim(undefined)).toEqual({ outcome: 'won', epoch: 1 });
        await until(() => moved === 3);
        expect(await a.coordinator.verify(1 as Epoch)).toBe('current');
      });

      it('goes to another server when one is dead or silent', async () => {
        const { proxy } = await stage.link();
        proxy.blackHole();
        const everywhere = systemAt(`127.0.0.1:1,127.0.0.1:${String(proxy.port)},${address}`);
        const all = [await stage.join('a', everywhere), await stage.join('b', everywhere)];
        await until(() => all.every((one) => one.view()?.members.length === 2));
      });

      it('is away for as long as it is refused, and back by itself', async () => {
        const { proxy, system } = await stage.link();
        const a = await stage.join('a', system);
        proxy.die();
        await until(() => a.connection.length === 1);
        expect(await a.coordinator.verify(1 as Epoch)).toBe('unanswered');
        expect((await a.coordinator.claim(undefined)).outcome).toBe('unknown');
        proxy.revive();
        await until(() => a.connection.length === 2);
        expect(await a.coordinator.claim(undefined)).toEqual({ outcome: 'won', epoch: 1 });
      });
    });

    describe('znodes', () => {
      it('are readable, and have versions of 1 and more: 0 would be taken for any', async () => {
        const a = await stage.join('a');
        const bystander = await stage.bystander();
        const epoch = `${stage.root}/epoch`;
        expect(await bystander.read(epoch)).toMatchObject({ text: '0', version: 1 });
        await a.coordinator.claim(undefined);
        expect(await bystander.read(epoch)).toMatchObject({ text: '1', version: 2 });
        const active = await bystander.read(`${stage.root}/active`);
        expect(active.version).toBe(1);
        expect(JSON.parse(active.text)).toEqual({ ...a.self, epoch: 1 });
        const member = await bystander.read(`${stage.root}/members/a`);
        expect(member.version).toBeGreaterThanOrEqual(1);
        expect(JSON.parse(member.text)).toEqual(a.self);
        const record = { lanes: 1, appVersion: 1, topologyHash: 'abc', genesis: { 'orders/0': '7' }, initialised: [] };
        await a.coordinator.writeAppRecord('orders', record, undefined);
        const app = await bystander.read(`${stage.root}/apps/orders`);
        expect(app.version).toBe(1);
        expect(JSON.parse(app.text)).toEqual(record);
      });

      it('of an older session of the same process are taken over, and stay when that session ends', async () => {
        const system = systemAt(address);
        await prepareZookeeper({ system, pair: stage.pair, clock });
        const bystander = await stage.bystander();
        const self = { node: 'a', incarnation: 'a-here', address: 'http://127.0.0.1:2' };
        await bystander.write(`${stage.root}/epoch`, '4');
        await bystander.create(`${stage.root}/members/a`, JSON.stringify(self), 'ephemeral');
        await bystander.create(`${stage.root}/active`, JSON.stringify({ ...self, epoch: 4 }), 'ephemeral');
        const a = await stage.join('a');
        expect(a.view()).toEqual({ epoch: 4, active: self, members: [self] });
        await bystander.close();
        const observer = await stage.bystander();
        for (const entry of ['members/a', 'active']) {
          expect((await observer.read(`${stage.root}/${entry}`)).version).toBeGreaterThanOrEqual(1);
        }
        expect(await a.coordinator.verify(4 as Epoch)).toBe('current');
      });

      it('that somebody removes are made again, and an epoch made by hand is claimed safely', async () => {
        const a = await stage.join('a');
        const bystander = await stage.bystander();
        await bystander.remove(`${stage.root}/members/a`);
        await until(async () => (await bystander.read(`${stage.root}/members/a`).catch(() => undefined)) !== undefined);
        const b = await stage.join('b');
        await bystander.remove(`${stage.root}/epoch`);
        await bystander.create(`${stage.root}/epoch`, '7');
        await until(() => a.view()?.epoch === 7 && b.view()?.epoch === 7);
        const claims = await Promise.all([a.coordinator.claim(7 as Epoch), b.coordinator.claim(7 as Epoch)]);
        expect(claims.map(({ outcome }) => outcome).toSorted()).toEqual(['lost', 'won']);
        expect((await bystander.read(`${stage.root}/epoch`)).text).toBe('8');
      });

      it('that hold no epoch are not guessed at', async () => {
        const a = await stage.join('a');
        const bystander = await stage.bystander();
        await bystander.write(`${stage.root}/epoch`, 'seven');
        const reader = createZookeeperCoordinatorReader({ system: systemAt(address), pair: stage.pair, clock });
        await expect(reader.readView()).rejects.toMatchObject({ code: 'epoch-unreadable' });
        expect((await a.coordinator.claim(undefined)).outcome).not.toBe('won');
      });

      it('lie in the folder that the configuration names, which is made', async () => {
        const system = systemAt(`${address}/teams-${stage.pair}/blue`);
        const a = await stage.join('a', system);
        await a.coordinator.claim(undefined);
        const bystander = await stage.bystander();
        expect(await bystander.read(`/teams-${stage.pair}/blue${stage.root}/epoch`)).toMatchObject({ text: '1' });
      });
    });

    describe('tools', () => {
      it('see an empty view of a pair that nobody made yet, and that a server is not there', async () => {
        const reader = createZookeeperCoordinatorReader({ system: systemAt(address), pair: stage.pair, clock });
        expect(await reader.readView()).toEqual({ epoch: undefined, active: undefined, members: [] });
        const nowhere = createZookeeperCoordinatorReader({ system: systemAt('127.0.0.1:1'), pair: stage.pair, clock });
        await expect(nowhere.readView()).rejects.toMatchObject({ code: 'coordinator-unreachable' });
      });

      it('have the view and the app records without joining', async () => {
        const a = await stage.join('a');
        await a.coordinator.claim(undefined);
        const tool = stage.coordinator();
        expect(await tool.readView()).toEqual({ epoch: 1, active: a.self, members: [a.self] });
        const record = { lanes: 1, appVersion: 1, topologyHash: 'abc', genesis: {}, initialised: [] };
        expect(await tool.writeAppRecord('orders', record, undefined)).toBe(true);
        expect(await a.coordinator.readAppRecord('orders')).toEqual({ version: 1, record });
        await tool.deleteAppRecord('orders');
        expect(await tool.readAppRecord('orders')).toBeUndefined();
        for (const odd of ['', '.', '..', 'a/b']) expect(await tool.readAppRecord(odd)).toBeUndefined();
      });

      it('raise the epoch where it is lower, and nobody is active then', async () => {
        const place = { system: systemAt(address), pair: stage.pair, clock };
        await raiseEpoch(place, 3 as Epoch);
        const a = await stage.join('a');
        expect(a.view()?.epoch).toBe(3);
        expect(await a.coordinator.claim(3 as Epoch)).toEqual({ outcome: 'won', epoch: 4 });
        await raiseEpoch(place, 2 as Epoch);
        expect(await a.coordinator.verify(4 as Epoch)).toBe('current');
        await raiseEpoch(place, 9 as Epoch);
        expect(await a.coordinator.verify(4 as Epoch)).toBe('superseded');
        expect(await a.coordinator.readView()).toEqual({ epoch: 9, active: undefined, members: [a.self] });
      });
    });

    describe('with a user', () => {
      const blue = { user: 'blue', password: 'a-secret-of-blue' };
      const red = { user: 'red', password: 'a-secret-of-red' };

      it('keeps others out of the pair, and says what to do without showing a password', async () => {
        const a = await stage.join('a', systemAt(address, blue));
        await a.coordinator.claim(undefined);
        for (const system of [systemAt(address), systemAt(address, red)]) {
          const refused = stage.join('b', system);
          await expect(refused).rejects.toMatchObject({ code: 'zookeeper-rights', blame: 'user' });
          await expect(refused).rejects.toMatchObject({ message: expect.stringContaining('zookeeper.user') as string });
          await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining('a-secret') as string });
        }
        await expect((await stage.bystander()).read(`${stage.root}/epoch`)).rejects.toThrow('NO_AUTH');
        const b = await stage.join('b', systemAt(address, blue));
        expect(b.view()).toMatchObject({ epoch: 1, active: a.self });
        const seen = await (await stage.bystander(`${blue.user}:${blue.password}`)).read(`${stage.root}/epoch`);
        expect(seen.text).toBe('1');
      });

      it('lets another user have a pair in the same folder', async () => {
        const folder = `${address}/shared-${stage.pair}`;
        await stage.join('a', systemAt(folder, blue));
        const other = new Stage(address);
        const a = await other.join('a', systemAt(folder, red));
        expect(await a.coordinator.claim(undefined)).toEqual({ outcome: 'won', epoch: 1 });
        await other.close();
      });
    });
  },
  ['zookeeper'],
);

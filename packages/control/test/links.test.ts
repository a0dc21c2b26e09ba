// The link between a passive and its active, over real sockets.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asEpoch, type Member } from '@tandem/pair';
import { systemClock } from '@tandem/lane';
import { WebSocket, WebSocketServer } from 'ws';
import { connectLink, WebLinkSocket } from '../src/http/link-socket.ts';
import type { LinkEnd } from '../src/link.ts';
import { parseLinkMessage, type AppCode, type LinkMessage } from '../src/link-messages.ts';
import { Links } from '../src/links.ts';
import { until } from './support/until.ts';

const code: AppCode = { version: 1, topologyHash: 'aa', bundleHash: 'bb', lanes: 1 };

interface End {
  readonly links: Links;
  readonly self: Member;
  readonly opened: string[];
  readonly closed: { peer: string; how: LinkEnd }[];
  readonly messages: LinkMessage[];
  readonly turnedAway: string[];
  readonly troubles: string[];
}

const closers: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listening(): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () =>
      new Promise<void>((resolve) =>
        server.close(() => {
          resolve();
        }),
      ),
  );
  return server;
}

async function makeEnd(
  node: string,
  options: { active: boolean; apps?: Record<string, AppCode>; pair?: string; silence_ms?: number; ping_ms?: number },
): Promise<End> {
  const server = await listening();
  const { port } = server.address() as AddressInfo;
  const self = { node, incarnation: `${node}-1`, address: `http://127.0.0.1:${port}` };
  const end: Omit<End, 'links'> = { self, opened: [], closed: [], messages: [], turnedAway: [], troubles: [] };
  const links = new Links({
    clock: systemClock,
    pair: options.pair ?? 'shop',
    self,
    ping_ms: options.ping_ms ?? 20,
    silence_ms: options.silence_ms ?? 2_000,
    apps: options.apps ?? { orders: code },
    epoch: () => asEpoch(1),
    connect: (address, limit_ms) => connectLink(address, undefined, limit_ms),
    isActive: () => options.active,
    onOpen: (peer) => end.opened.push(peer),
    onClose: (peer, how) => end.closed.push({ peer, how }),
    onMessage: (_peer, message) => end.messages.push(message),
    onTrouble: (reason) => end.troubles.push(reason),
    onTurnedAway: (reason) => end.turnedAway.push(reason),
  });
  const upgrades = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    upgrades.handleUpgrade(request, socket, head, (webSocket) => {
      links.accept(new WebLinkSocket(webSocket));
    });
  });
  closers.push(() => {
    links.close();
  });
  return { ...end, links };
}

it('opens on both ends once both have said hello, and carries messages both ways', async () => {
  const active = await makeEnd('a', { active: true });
  const passive = await makeEnd('b', { active: false });
  passive.links.follow(active.self);
  await until(() => passive.opened.length === 1 && active.opened.length === 1);
  expect(passive.opened).toEqual(['a-1']);
  expect(active.opened).toEqual(['b-1']);

  passive.links.sendToActive({ type: 'status', inSyncApps: ['orders'] });
  active.links.sendTo('b-1', { type: 'invite', epoch: 1, limit_ms: 500 });
  await until(() => active.messages.length === 1 && passive.messages.length === 1);
  expect(active.messages).toEqual([{ type: 'status', inSyncApps: ['orders'] }]);
  expect(passive.messages).toEqual([{ type: 'invite', epoch: 1, limit_ms: 500 }]);
});

it('sends published positions together, the newest of each task, with the time of the first', async () => {
  const active = await makeEnd('a', { active: true });
  const passive = await makeEnd('b', { active: false });
  passive.links.follow(active.self);
  await until(() => active.opened.length === 1);
  active.links.publish('orders', 'postgres', { 'in/0': '1', 'in/1': '5' }, 1000);
  active.links.publish('orders', 'postgres', { 'in/0': '2' }, 1003);
  await until(() => passive.messages.length > 0);
  expect(passive.messages).toEqual([
    {
      type: 'published',
      app: 'orders',
      publisher: 'postgres',
      positions: { 'in/0': '2', 'in/1': '5' },
      since_ms: 1000,
    },
  ]);
});

it('sends digests together, in their order, no more at a time than a message may hold', async () => {
  const active = await makeEnd('a', { active: true });
  const passive = await makeEnd('b', { active: false });
  passive.links.follow(active.self);
  await until(() => active.opened.length === 1);
  const digests = Array.from({ length: 2_500 }, (_, position) => ({
    task: 'in/0',
    position: String(position),
    state: '0123456789abcdef',
    outputs: '01234567',
    since: '0',
  }));
  for (let at = 0; at < digests.length; at += 100) active.links.publishDigests('orders', digests.slice(at, at + 100));
  active.links.publishDigests('alerts', digests.slice(0, 1));
  await until(() => passive.messages.length === 4);
  const messages = passive.messages.flatMap((message) => (message.type === 'digests' ? [message] : []));
  expect(messages.map(({ app, digests: some }) => `${app} ${some.length}`)).toEqual([
    'orders 1000',
    'orders 1000',
    'orders 500',
    'alerts 1',
  ]);
  expect(messages.slice(0, 3).flatMap(({ digests: some }) => some)).toEqual(digests);
});

it.each([
  ['a position that is none', { position: '-1' }],
  ['a digest that is none', { state: 'xyz' }],
  ['outputs that are none', { outputs: '012' }],
])('does not take digests with %s', (_what, wrong) => {
  const right = { task: 'in/0', position: '8', state: '0123456789abcdef', outputs: '', since: '0' };
  const text = (digests: unknown): string => JSON.stringify({ type: 'digests', app: 'orders', digests });
  expect(parseLinkMessage(text([right]))).toMatchObject({ type: 'digests' });
  expect(parseLinkMessage(text([{ ...right, ...wrong }]))).toBeUndefined();
  expect(parseLinkMessage(text(Array.from({ length: 1_001 }, () => right)))).toBeUndefined();
});

it('says at once on the passive that the active has closed', async () => {
  const active = await makeEnd('a', { active: true });
  const passive = await makeEnd('b', { active: false });
  passive.links.follow(active.self);
  await until(() => active.opened.length === 1);
  active.links.close();
  await until(() => passive.closed.length === 1);
  expect(passive.closed).toEqual([{ peer: 'a-1', how: 'closed' }]);
});

it('counts a peer that says nothing for too long as silent', async () => {
  const server = await listening();
  // Accepts the upgrade and the hello, answers with its own, then never says anything again.
  const mute = new WebSocketServer({ server });
  closers.push(() => {
    for (const client of mute.clients) client.terminate();
    mute.close();
  });
  mute.on('connection', (socket) => {
    socket.once('message', () => {
      const hello = { type: 'hello', pair: 'shop', node: 'a', incarnation: 'a-1', epoch: 1, apps: { orders: code } };
      socket.send(JSON.stringify(hello));
    });
  });
  const { port } = server.address() as AddressInfo;
  const passive = await makeEnd('b', { active: false, silence_ms: 100, ping_ms: 10 });
  passive.links.follow({ node: 'a', incarnation: 'a-1', address: `http://127.0.0.1:${port}` });
  await until(() => passive.closed.length === 1);
  expect(passive.closed).toEqual([{ peer: 'a-1', how: 'silent' }]);
});

it.each([
  [
    'other code',
    { orders: { ...code, bundleHash: 'cc' } },
    /the code of app 'orders' differs .* deploy the same build to both nodes/,
  ],
  ['another number of lanes', { orders: { ...code, lanes: 2 } }, /'orders' has 1 lanes on the active and 2 here/],
  ['another list of apps', { orders: code, more: code }, /app 'more' runs on one node only/],
])('turns a node away that has %s, with the reason, and never reports it as open', async (_what, apps, reason) => {
  const active = await makeEnd('a', { active: true });
  const passive = await makeEnd('b', { active: false, apps });
  passive.links.follow(active.self);
  await until(() => passive.turnedAway.length === 1);
  expect(passive.turnedAway[0]).toMatch(reason);
  expect(passive.opened).toEqual([]);
  expect(active.opened).toEqual([]);
});

it('turns a node of another pair away', async () => {
  const active = await makeEnd('a', { active: true });
  const passive = await makeEnd('b', { active: false, pair: 'other' });
  passive.links.follow(active.self);
  await until(() => passive.turnedAway.length === 1);
  expect(passive.turnedAway[0]).toMatch(/is of pair 'shop', this node of 'other'/);
});

it('keeps asking a node that is not active yet', async () => {
  const options = { active: false };
  const first = await makeEnd('a', options);
  const second = await makeEnd('b', { active: false });
  second.links.follow(first.self);
  expect(second.opened).toEqual([]);
  options.active = true;
  await until(() => second.opened.length === 1);
});

it('does not take another incarnation at the address for the one it looks for', async () => {
  const active = await makeEnd('a', { active: true });
  const passive = await makeEnd('b', { active: false });
  passive.links.follow({ ...active.self, incarnation: 'a-0' });
  await until(() => active.opened.length > 0);
  expect(passive.opened).toEqual([]);
});

it.each(['not json', '{"type":"status","inSyncApps":[]}', '{"type":"nonsense"}'])(
  'ends a connection that begins with %s',
  async (text) => {
    const active = await makeEnd('a', { active: true });
    const socket = new WebSocket(`${active.self.address.replace('http', 'ws')}/v1/link`);
    const ended = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.once('open', () => {
      socket.send(text);
    });
    await ended;
    expect(active.opened).toEqual([]);
    expect(active.messages).toEqual([]);
  },
);

it('has no trouble with a member that it was told to let go of before the link was open', async () => {
  const silent = await listening();
  const { port } = silent.address() as AddressInfo;
  const passive = await makeEnd('b', { active: false });
  passive.links.follow({ node: 'a', incarnation: 'a-1', address: `http://127.0.0.1:${port}` });
  passive.links.follow(undefined);
  expect(passive.links.trouble).toBeUndefined();
  expect(passive.troubles).toEqual([]);
});

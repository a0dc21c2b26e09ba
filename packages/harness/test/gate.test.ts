// A gate between real sockets: what passes, what does not, and in what order.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Gate, waitFor } from '@tandem/harness';

const limit = { limit_ms: 5000 };

let server: Server;
let gate: Gate;
/** What the target does with what it gets. */
let onBytes: (socket: Socket, bytes: Buffer) => void;
let received = '';

beforeEach(async () => {
  received = '';
  onBytes = (socket, bytes) => socket.write(bytes);
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received += bytes.toString();
      onBytes(socket, bytes);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  gate = await Gate.open();
  gate.target = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  await gate.close();
  await new Promise((resolve) => server.close(resolve));
});

async function dial(): Promise<{ readonly socket: Socket; readonly heard: () => string }> {
  const socket = connect(gate.port, '127.0.0.1');
  let text = '';
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => (text += bytes.toString()));
  await once(socket, 'connect');
  return { socket, heard: () => text };
}

async function hears(what: string, { heard }: { readonly heard: () => string }): Promise<void> {
  await waitFor(`'${what}' is heard`, limit, () => (heard() === what ? true : undefined));
}

it('keeps back one direction only, and passes on what was kept back', async () => {
  const client = await dial();
  gate.silence('from-target');
  client.socket.write('one');
  await waitFor('the target has it', limit, () => (received === 'one' ? true : undefined));
  expect(client.heard()).toBe('');
  gate.heal();
  await hears('one', client);
});

it('delays without changing the order, also when the delay ends', async () => {
  const client = await dial();
  gate.delay(60, 'to-target');
  client.socket.write('a');
  await new Promise((resolve) => setTimeout(resolve, 10));
  gate.heal();
  client.socket.write('b');
  await hears('ab', client);
});

it('resets connections in the middle of their next answer, and none that are made later', async () => {
  const client = await dial();
  client.socket.write('warm');
  await hears('warm', client);
  gate.tearAnswers();
  const later = await dial();
  client.socket.write('0123456789');
  await once(client.socket, 'close');
  expect(client.heard()).toBe('warm01234');
  expect(gate.torn).toBe(1);
  later.socket.write('x');
  await hears('x', later);
});

it('tells of an end that came while it was silent once it is healed', async () => {
  const client = await dial();
  client.socket.write('a');
  await hears('a', client);
  gate.silence();
  onBytes = (socket) => socket.destroy();
  client.socket.destroy();
  gate.heal();
  await waitFor('no connection is left', limit, () => (gate.connections === 0 ? true : undefined));
});

it('refuses while nothing is behind it', async () => {
  gate.target = 0;
  const socket = connect(gate.port, '127.0.0.1');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
});

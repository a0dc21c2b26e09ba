// Is a process gone? Only a refused connection or another incarnation says so.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { incarnationHeader, probe } from '../src/http/probe.ts';

let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise<void>((resolve) => {
    if (server === undefined) resolve();
    else
      server.close(() => {
        resolve();
      });
  });
  server = undefined;
});

async function serve(listener: RequestListener) {
  server = createServer(listener);
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { node: 'a', incarnation: 'a-1', address: `http://127.0.0.1:${port}` };
}

function answering(incarnation: string | undefined): RequestListener {
  return (_request, response) => {
    if (incarnation !== undefined) response.setHeader(incarnationHeader, incarnation);
    response.end('live\n');
  };
}

it('is alive when the same incarnation answers', async () => {
  expect(await probe(await serve(answering('a-1')), 2_000)).toBe('alive');
});

it('is gone when another incarnation answers at its address', async () => {
  expect(await probe(await serve(answering('a-2')), 2_000)).toBe('gone');
});

it('is gone when the connection is refused', async () => {
  const peer = await serve(answering('a-1'));
  await new Promise<void>((resolve) =>
    server?.close(() => {
      resolve();
    }),
  );
  server = undefined;
  expect(await probe(peer, 2_000)).toBe('gone');
});

it('is unknown when something answers that is no node', async () => {
  expect(await probe(await serve(answering(undefined)), 2_000)).toBe('unknown');
});

it('is unknown when nothing answers in time', async () => {
  expect(await probe(await serve(() => undefined), 50)).toBe('unknown');
});

// What a receiver's connections do by themselves, which time can pass over: a process may hang at any of these points.
import { createServer, type Server } from 'node:http';
import { clock } from '@tandem/ports/contract';
import { httpSinkSchema } from '../src/configuration.ts';
import { Receiver } from '../src/receiver.ts';

let server: Server;
let arrived = 0;
let receiver: Receiver;
const said: string[] = [];

beforeEach(async () => {
  arrived = 0;
  said.length = 0;
  server = createServer((_request, response) => {
    arrived++;
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  receiver = new Receiver({
    sink: 'alerts',
    binding: httpSinkSchema.parse({ url: `http://127.0.0.1:${String(port)}/` }),
    clock,
    log: (_level, message) => said.push(message),
  });
});

afterEach(async () => {
  receiver.close();
  await new Promise((resolve) => server.close(resolve));
});

/** Yes, so many times. */
function wanted(times: number): () => boolean {
  let left = times;
  return () => left-- > 0;
}

const body = Buffer.from('{}');

it.each(['a new', 'an old'])('nothing is written to %s connection that comes too late', async (which) => {
  if (which === 'an old') await receiver.deliver([], body, () => true);
  const before = arrived;
  const verdict = await receiver.deliver([], body, wanted(1));
  expect(verdict).toMatchObject({ verdict: 'again' });
  // What had been written would have arrived before this.
  await receiver.deliver([], body, () => true);
  expect(arrived).toBe(before + 1);
  expect(said).toEqual([]);
});

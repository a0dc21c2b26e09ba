// Ports on loopback, and the shortest question that tells whether a Kafka broker or a ZooKeeper server answers.
import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { stackError } from './error.ts';

/**
 * The preferred ports where they are free, others for the rest. Below the range from which systems take the local
 * ports of connections: nobody gets one of these by chance while its server is down.
 */
export async function choosePorts(preferred: readonly (number | undefined)[]): Promise<readonly number[]> {
  const chosen = new Set<number>();
  for (const wanted of preferred) {
    let port = wanted;
    for (let tries = 0; port === undefined || chosen.has(port) || !(await isFree(port)); tries++) {
      if (tries === 1000) throw stackError('stack-port', 'no free port was found on 127.0.0.1 between 20000 and 30000');
      port = randomInt(20_000, 30_000);
    }
    chosen.add(port);
  }
  return [...chosen];
}

export async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}

/** By an ApiVersions request, which every broker answers without authentication. */
export async function kafkaAnswers(address: string): Promise<boolean> {
  // size, api key 18, version 0, correlation id, client id "up"
  const request = Buffer.from('0000000c001200000000000700027570', 'hex');
  return await ask(address, request, (answer) => answer.length >= 8 && answer.readInt32BE(4) === 7);
}

/** By "ruok". */
export async function zooKeeperAnswers(address: string): Promise<boolean> {
  return await ask(address, Buffer.from('ruok'), (answer) => answer.toString() === 'imok');
}

/** Whether something listens there. */
export async function isReachable(address: string): Promise<boolean> {
  return await ask(address, undefined, () => true);
}

async function ask(
  address: string,
  request: Buffer | undefined,
  accept: (answer: Buffer) => boolean,
  limit_ms = 2000,
): Promise<boolean> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(address.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) return false;
  return await new Promise((resolve) => {
    let answer = Buffer.alloc(0);
    const socket = connect({ host, port });
    const end = (accepted: boolean) => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(accepted);
    };
    const deadline = setTimeout(() => {
      end(false);
    }, limit_ms);
    socket.once('error', () => {
      end(false);
    });
    socket.once('close', () => {
      end(false);
    });
    socket.once('connect', () => {
      if (request === undefined) end(true);
      else socket.write(request);
    });
    socket.on('data', (part) => {
      answer = Buffer.concat([answer, part]);
      if (accept(answer)) end(true);
    });
  });
}

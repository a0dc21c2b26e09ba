// Brokers as processes: killed, started again, joined, refused.
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { describeWithStack, startKafka, type KafkaBroker, type KafkaServer } from '@tandem/stack';
import { eventually, exists, java, makeFolder, squat, startOwner } from './support/world.ts';

jest.setTimeout(120_000);

function first(server: KafkaServer): KafkaBroker {
  const [broker] = server.brokers;
  if (broker === undefined) throw new Error('no broker');
  return broker;
}

describeWithStack('Kafka, one broker', () => {
  let folder: string;
  let server: KafkaServer;
  let broker: KafkaBroker;

  beforeAll(async () => {
    folder = await makeFolder();
    server = await startKafka({ dataDir: folder, light: true });
    broker = first(server);
    await java('Topics', [server.bootstrap, 'create', 'kept']);
  });

  afterAll(async () => {
    await server.stop();
    expect(exists(broker.pid)).toBe(false);
    await rm(folder, { recursive: true });
  });

  it('keeps what was acknowledged when it is killed, and starts again on the same port', async () => {
    await java('Topics', [server.bootstrap, 'write', 'kept', 'one', 'two']);
    const { pid, address } = broker;
    await broker.kill();
    expect(exists(pid)).toBe(false);
    expect(broker.running).toBe(false);
    expect(() => {
      broker.signal('SIGSTOP');
    }).toThrow(/does not run/);

    await broker.start();
    expect(broker.pid).not.toBe(pid);
    expect(broker.address).toBe(address);
    expect(await java('Topics', [server.bootstrap, 'read', 'kept'])).toBe('one,two');
  });

  it('is joined, not started twice, by whoever asks for the same folder', async () => {
    const again = await startKafka({ dataDir: folder, light: true });
    expect(first(again).pid).toBe(broker.pid);
    expect(again.bootstrap).toBe(server.bootstrap);
  });

  it('listens on loopback only', async () => {
    const port = Number(broker.address.split(':')[1]);
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4');
    for (const { address } of outside) {
      const socket = connect({ host: address, port });
      await expect(once(socket, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    }
  });

  it('refuses data of another version, and another number of brokers', async () => {
    await expect(startKafka({ dataDir: folder, version: '3.9' })).rejects.toMatchObject({ code: 'stack-data' });
    await expect(startKafka({ dataDir: folder, brokers: 3 })).rejects.toThrow(
      /holds the data of Kafka 4\.1 with 1 broker\(s\), not of 4\.1 with 3/,
    );
    expect(broker.running).toBe(true);
  });

  it('says so when its port was taken while it was down', async () => {
    await broker.kill();
    const squatter = await squat(Number(broker.address.split(':')[1]));
    try {
      await expect(broker.start()).rejects.toMatchObject({ code: 'stack-port' });
    } finally {
      squatter.close();
    }
  });

  it('says in one line why it does not start', async () => {
    const bad = startKafka({
      dataDir: path.join(folder, 'bad'),
      properties: { 'num.io.threads': 'many' },
    });
    const error: unknown = await bad.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'stack-start', message: expect.stringContaining('num.io.threads') as string });
    expect((error as Error).message).not.toContain('\n');
  });

  it('is gone soon after its only owner was killed', async () => {
    const own = path.join(folder, 'owned');
    const program = `const server = await startKafka({ dataDir: ${JSON.stringify(own)}, light: true }); say(server.brokers[0].pid);`;
    const owner = await startOwner(folder, program);
    const pid = owner.said as number;
    expect(exists(pid)).toBe(true);
    owner.kill();
    await eventually('the broker is gone', () => !exists(pid));
  });
});

describeWithStack('Kafka, three brokers', () => {
  it('elects another leader when one is killed, goes on writing, and takes the killed one back', async () => {
    const folder = await makeFolder();
    const server = await startKafka({ dataDir: folder, brokers: 3, light: true });
    try {
      expect(server.bootstrap.split(',')).toEqual(server.brokers.map(({ address }) => address));
      await java('Topics', [server.bootstrap, 'create', 'led']);
      await java('Topics', [server.bootstrap, 'write', 'led', 'before']);
      const [leader, replicas] = (await java('Topics', [server.bootstrap, 'leader', 'led'])).split(' of ');
      expect(replicas).toBe('3');

      const killed = server.brokers.find(({ id }) => id === Number(leader));
      await killed?.kill();
      await java('Topics', [server.bootstrap, 'write', 'led', 'after']);
      expect(await java('Topics', [server.bootstrap, 'leader', 'led'])).not.toBe(`${String(leader)} of 3`);

      await killed?.start();
      expect(await java('Topics', [killed?.address ?? '', 'read', 'led'])).toBe('before,after');
    } finally {
      await server.stop();
    }
    expect(server.brokers.some(({ running }) => running)).toBe(false);
    await rm(folder, { recursive: true });
  });
});

describeWithStack(
  'Kafka 3.9',
  () => {
    it('starts as well', async () => {
      const folder = await makeFolder();
      const server = await startKafka({ dataDir: folder, version: '3.9', light: true });
      try {
        await java('Topics', [server.bootstrap, 'create', 'old']);
        expect(await java('Topics', [server.bootstrap, 'leader', 'old'])).toBe('1 of 1');
      } finally {
        await server.stop();
      }
      await rm(folder, { recursive: true });
    });
  },
  ['kafka-3.9', 'kafka-4.1'],
);

// The servers that all test files of a run share.
import { connect } from 'node:net';
import { describeWithStack, sharedTestKafka, sharedTestZooKeeper } from '@tandem/stack';

jest.setTimeout(120_000);

async function answers(address: string): Promise<void> {
  const [host, port] = address.split(':');
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: host ?? '', port: Number(port) }, () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

describeWithStack(
  'the shared test servers',
  () => {
    it('are the same ones for everybody', async () => {
      const [{ bootstrap }, { address }] = await Promise.all([sharedTestKafka(), sharedTestZooKeeper()]);
      await Promise.all([answers(bootstrap), answers(address)]);
      expect(await sharedTestKafka()).toEqual({ bootstrap });
      expect(await sharedTestZooKeeper()).toEqual({ address });
    });
  },
  ['kafka', 'zookeeper'],
);

describe('servers named in the environment', () => {
  const before = { ...process.env };

  afterEach(() => {
    process.env = { ...before };
  });

  it('are used instead', async () => {
    process.env['TANDEM_TEST_KAFKA'] = 'kafka.example:9092';
    process.env['TANDEM_TEST_ZOOKEEPER'] = 'zookeeper.example:2181';
    expect(await sharedTestKafka()).toEqual({ bootstrap: 'kafka.example:9092' });
    expect(await sharedTestZooKeeper()).toEqual({ address: 'zookeeper.example:2181' });
  });
});

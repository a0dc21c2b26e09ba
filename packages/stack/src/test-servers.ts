// One Kafka and one ZooKeeper per checkout for all test files of a run; each file makes its own topics and paths.
import path from 'node:path';
import { startKafka } from './kafka.ts';
import { stackFolder } from './place.ts';
import { startZooKeeper } from './zookeeper.ts';

/**
 * Starts the server or joins the one that runs; never stopped by hand: it ends when the last process that called this
 * is gone. TANDEM_TEST_KAFKA names another one to use instead.
 */
export async function sharedTestKafka(): Promise<{ readonly bootstrap: string }> {
  const given = process.env['TANDEM_TEST_KAFKA'];
  if (given !== undefined && given !== '') return { bootstrap: given };
  const { bootstrap } = await startKafka({
    dataDir: path.join(stackFolder, 'test', 'kafka'),
    fresh: true,
    light: true,
  });
  return { bootstrap };
}

/** As `sharedTestKafka`. TANDEM_TEST_ZOOKEEPER names another one to use instead. */
export async function sharedTestZooKeeper(): Promise<{ readonly address: string }> {
  const given = process.env['TANDEM_TEST_ZOOKEEPER'];
  if (given !== undefined && given !== '') return { address: given };
  const { address } = await startZooKeeper({ dataDir: path.join(stackFolder, 'test', 'zookeeper'), fresh: true });
  return { address };
}

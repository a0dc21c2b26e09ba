// A process that opens epoch 1 and publishes one large batch, first to a table, then to a log; run by a test, which
// stops it in the middle. Says `opened`, then the outcome.
import { asEpoch, asPosition } from '@tandem/pair';
import { outputBatch } from '@tandem/ports/contract';
import { createPublisher } from './publishing.ts';

async function main(url: string, app: string, table: string, log: string): Promise<void> {
  const publisher = await createPublisher(
    url,
    app,
    { row: { table, columns: { key: 'name' } }, bulk: { log, create: { partitions: 1 } } },
    { lockLimit_ms: 60_000, statementLimit_ms: 120_000, publishLimit_ms: 120_000 },
  );
  await publisher.layout();
  await publisher.open(asEpoch(1), new Map([['in/0', asPosition(0)]]));
  process.stdout.write('opened\n');
  // Far more than what fits into the sockets' buffers: the transaction stays open while the process is stopped.
  const bulk = Array.from({ length: 48 }, () => ({ sink: 1, partition: 0, key: 'k', value: 'x'.repeat(1 << 20) }));
  const row = { sink: 0, partition: 0, key: 'zombie', value: '{}' };
  const outcome = await publisher.publish(outputBatch([['in/0', 0, 49]], [row, ...bulk]));
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
  await publisher.close();
}

const [url = '', app = '', table = '', log = ''] = process.argv.slice(2);
void main(url, app, table, log);

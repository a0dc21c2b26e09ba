// A process that publishes to a receiver until it is killed; run by a test. Arguments: URL of the database, app, URL of
// the receiver. Opens epoch 1 at genesis and publishes inputs of both tasks, a hundred at a time; says `opened`.
import type { OutputBatch } from '@tandem/ports';
import { restOf } from '@tandem/ports/contract';
import { createPublisher, genesis, open, steps } from './publishing.ts';

async function main(databaseUrl: string, app: string, url: string): Promise<void> {
  const publisher = await createPublisher({ app, databaseUrl, sinks: { alerts: { url } } });
  await publisher.layout();
  await open(publisher, 1, genesis);
  process.stdout.write('opened\n');
  // The clock's timers do not keep a process alive.
  setInterval(() => undefined, 1000);
  for (let from = 0; ; from += 100) {
    let left: OutputBatch | undefined = steps([
      ['in/0', from, from + 100],
      ['in/1', from, from + 100],
    ]);
    while (left !== undefined) {
      const outcome = await publisher.publish(left);
      if (outcome.outcome !== 'published') continue;
      left = outcome.part === undefined ? undefined : restOf(left, outcome.part);
      if (left?.moves.length === 0) left = undefined;
    }
  }
}

const [databaseUrl = '', app = '', url = ''] = process.argv.slice(2);
void main(databaseUrl, app, url);

// What the state of bulk-app.ts takes by itself, in a process of its own with --expose-gc: node ... state-size.ts KEYS.
// Its only line of output: MB of heap.
import { Generator } from '@tandem/harness';
import { compileApp, type OutputCollector } from '@tandem/streams';
import { bulk } from './bulk-app.ts';
import { bulkText } from './bulk-text.ts';

const collect = (globalThis as { gc?: () => void }).gc;
if (collect === undefined) throw new Error('start it with --expose-gc');

const nowhere: OutputCollector = {
  emit: () => undefined,
  emitWithInputKey: () => undefined,
  undoInput: () => undefined,
};
/** As many as tasks: what they share is little. */
const partitions = 4;
const topology = compileApp(bulk);
const tasks = Array.from({ length: partitions }, (_, partition) => topology.createTask('in', partition, nowhere));
for (const { stores } of tasks) for (const store of stores) store.noteChanges();
const generator = new Generator();

collect();
const before = process.memoryUsage().heapUsed;
const keys = Number(process.argv[2]);
for (let key = 0; key < keys; key++) {
  const id = flat(`k${key.toString()}`);
  const kept = { id: flat(id), seq: key, count: 1, bulk: flat(bulkText(generator)) };
  tasks[key % partitions]?.stores[0]?.restore([id, kept]);
}
collect();
process.stdout.write(`${((process.memoryUsage().heapUsed - before) / 1e6).toFixed(1)}\n`);

/** As it comes out of bytes: not put together of parts that are kept as well. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

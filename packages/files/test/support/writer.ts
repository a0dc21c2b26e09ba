// A process that stores one revision after the other until it is killed; run by a test. Arguments: folder, epoch, size
// of a revision. Says `stored <n>` after each; with size 0 it never ends its first, and says `writing`.
import type { Epoch } from '@tandem/pair';
import { createFilesSnapshotStore } from '@tandem/files';

async function* content(size_bytes: number): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(64 * 1024, 'x');
  for (let at = 0; at < size_bytes || size_bytes === 0; at += piece.length) {
    yield piece;
    if (size_bytes === 0 && at === 0) process.stdout.write('writing\n');
    await new Promise(setImmediate);
  }
}

async function main(folder: string, epoch: number, size_bytes: number): Promise<void> {
  const store = createFilesSnapshotStore({ folder, pair: 'pair' });
  for (;;) {
    const head = { app: 'orders', appVersion: 1, topologyHash: 'abc', epoch: epoch as Epoch };
    const written = await store.write(head, content(size_bytes), () => ({ 'orders/0': '1' }));
    process.stdout.write(`${written.outcome} ${written.outcome === 'stored' ? String(written.revision) : ''}\n`);
    await store.prune('orders', 3);
  }
}

const [folder = '', epoch = '', size = ''] = process.argv.slice(2);
main(folder, Number(epoch), Number(size)).catch((thrown: unknown) => {
  const { code, message } = thrown as { code?: string; message?: string };
  process.stdout.write(`failed ${String(code)}: ${String(message)}\n`);
});

import { open } from 'node:fs/promises';
import { describeSnapshotStore } from '@tandem/ports/contract';
import { createFilesSnapshotStore } from '@tandem/files';
import { appFolder, freshFolder } from './support/folder.ts';

jest.setTimeout(60_000);

describeSnapshotStore('files', async () => {
  const { folder, remove } = await freshFolder();
  return {
    create: () => createFilesSnapshotStore({ folder, pair: 'pair' }),
    corrupt: async (app, revision) => {
      const handle = await open(`${appFolder(folder, 'pair', app)}/revision-${String(revision)}/snapshot.gz`, 'r+');
      const byte = Buffer.alloc(1);
      await handle.read(byte, 0, 1, 0);
      byte.writeUInt8(byte.readUInt8(0) ^ 0xff);
      await handle.write(byte, 0, 1, 0);
      await handle.close();
    },
    dispose: remove,
  };
});

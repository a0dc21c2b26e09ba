// A folder as the snapshot store.
import { createFilesSnapshotStore, filesStoreSchema, reachFolder, type FilesStore } from '@tandem/files';
import type { Adapter } from '../adapters.ts';

const folderOf = (options: unknown): string => (options as FilesStore).folder;

export const files: Adapter = {
  name: 'files',
  store: {
    schema: filesStoreSchema,
    create: ({ pair }, options) => createFilesSnapshotStore({ folder: folderOf(options), pair }),
    condition(options, { liveSync }) {
      if (liveSync) return undefined;
      const folder = folderOf(options);
      return `stateSync.live is off, so ${folder} must be one folder that both nodes share (store.files.folder): a node takes its state from nowhere else`;
    },
  },
  reach: ({ store }) => reachFolder(folderOf(store)),
  examine(_context, { store, liveSync }) {
    const folder = folderOf(store);
    if (liveSync) {
      return Promise.resolve([
        {
          level: 'note',
          what: `revisions are kept in the folder ${folder}`,
          why: 'where each node has a folder of its own and both go down, only the one that was active last comes back with the newest state',
          todo: 'let both nodes share it, or start the one first that was active last',
        },
      ]);
    }
    return Promise.resolve([
      {
        level: 'warning',
        what: `stateSync.live is off, and revisions are kept in the folder ${folder}`,
        why: 'a node takes its state from that folder only: if the other one has a folder of its own, it never gets the newer state',
        todo: 'make sure that both nodes share the folder, or set stateSync.live to true',
      },
    ]);
  },
};

// What a user writes about snapshots in a folder, checked by this schema; the configuration reference is made from it.
import path from 'node:path';
import { z } from 'zod';

export const filesStoreSchema = z
  .strictObject({
    folder: z
      .string()
      .refine((folder) => path.isAbsolute(folder), 'must be an absolute path like /var/lib/tandem/snapshots')
      .describe(
        'Folder for the snapshots; made at the first start, for this user only. One that both nodes share, unless stateSync.live is on.',
      ),
  })
  .describe('Keeps snapshots in a folder.');

export type FilesStore = z.infer<typeof filesStoreSchema>;

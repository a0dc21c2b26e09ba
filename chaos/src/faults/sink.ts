// Faults of the output table: somebody else holds its lock, or its disk is full.
import pg from 'pg';
import { partsTable } from '../checker.ts';
import { NotInjected, type Fault } from './fault.ts';

/** PostgreSQL's code for a disk without room. */
const diskFull = '53100';

const ofTheTable = {
  targets: () => ['table'],
  holds: () => ['postgres'] as const,
  explainsRoleChange: () => false,
} satisfies Partial<Fault>;

const block: Fault = {
  ...ofTheTable,
  name: 'block-sink',
  duration_ms: [500, 6000],
  async inject(world) {
    const client = await world.connect();
    await client.query('BEGIN');
    await client.query(`LOCK TABLE ${partsTable} IN ACCESS EXCLUSIVE MODE`);
    return async () => {
      // Where the server was killed meanwhile the lock is gone with it.
      await client.query('COMMIT').catch(() => undefined);
      await client.end().catch(() => undefined);
    };
  },
};

const fill: Fault = {
  ...ofTheTable,
  name: 'disk-full',
  duration_ms: [1000, 6000],
  async inject(world) {
    const { disk } = world;
    if (typeof disk === 'string') throw new NotInjected(disk);
    const client = await world.connect();
    try {
      await disk.fill();
      const refused = await client
        .query(`CREATE TABLE full_disk TABLESPACE ${disk.tablespace} AS SELECT repeat('x', 100000)`)
        .then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
      if (!(refused instanceof pg.DatabaseError) || refused.code !== diskFull) {
        await client.query('DROP TABLE IF EXISTS full_disk');
        throw new NotInjected('the disk takes more all the same');
      }
      return () => disk.empty();
    } catch (thrown) {
      await disk.empty();
      throw thrown;
    } finally {
      await client.end();
    }
  },
};

export const sinkFaults: readonly Fault[] = [block, fill];

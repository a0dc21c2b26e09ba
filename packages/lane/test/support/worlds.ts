// Worlds of one test file, closed after each test.
import { running } from './apps.ts';
import { everyKilledLaneGone, World, type WorldOptions } from './memory-lane.ts';

export type MakeWorld = (options?: Partial<WorldOptions>) => World;

/** Call once at the top of a test file. Without an app: `running`. */
export function worldsOfThisFile(): MakeWorld {
  let worlds: World[] = [];
  afterEach(async () => {
    await Promise.all(worlds.map((made) => made.close()));
    worlds = [];
  });
  afterAll(everyKilledLaneGone);
  return (options = {}) => {
    const made = new World({ app: running, ...options });
    worlds.push(made);
    return made;
  };
}

export const upTo = (count: number, from = 0): number[] =>
  Array.from({ length: count - from }, (_, index) => from + index);

/** Where a world with two partitions begins. */
export const genesis = { 'in/0': '0', 'in/1': '0' };

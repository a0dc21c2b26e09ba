// Tells the logs which records no revision needs any more; one round at a time, the newest floors win.
import type { Position, Positions, TaskId } from '@tandem/pair';
import { toError, type LaneContext } from '@tandem/ports';
import type { ConnectedSource } from './systems.ts';
import type { LaneTask } from './task.ts';

export class Releasing {
  readonly #reader: string;
  readonly #sources: readonly ConnectedSource[];
  readonly #context: LaneContext;
  readonly #floors = new Map<
    TaskId,
    { readonly source: string; readonly partition: number; readonly floor: Position }
  >();
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(reader: string, sources: readonly ConnectedSource[], context: LaneContext) {
    this.#reader = reader;
    this.#sources = sources;
    this.#context = context;
  }

  /** Positions of tasks that are not ours are left to their own lanes. */
  release(positions: Positions, tasks: readonly LaneTask[]): void {
    for (const { identity } of tasks) {
      const floor = positions.get(identity.id);
      if (floor !== undefined) this.#floors.set(identity.id, { ...identity, floor });
    }
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (const [task, { source, partition, floor }] of this.#floors) {
      if (this.#stopped) return;
      this.#floors.delete(task);
      const log = this.#sources.find(({ use }) => use.source === source)?.log;
      try {
        await log?.releaseBefore(partition, this.#reader, floor);
      } catch (thrown) {
        // Only space is at stake, and the next revision says it again.
        this.#context.log('warn', `records of ${task} could not be released: ${toError(thrown).message}`);
      }
    }
  }
}

// The snapshot that a lane is asked for: one at a time, written between slices of processing.
import { toError } from '@tandem/ports';
import { SnapshotTaking, type SnapshotHost } from './snapshot-taking.ts';
import type { LaneTask, PublisherLayout } from './task.ts';

export class Snapshots {
  readonly #host: SnapshotHost;
  #taking: SnapshotTaking | undefined;

  constructor(host: SnapshotHost) {
    this.#host = host;
  }

  /** `tasks`: undefined while there is no state. */
  take(id: number, credit: number, tasks: readonly LaneTask[] | undefined, layouts: readonly PublisherLayout[]): void {
    if (tasks === undefined) this.#failed(id, 'there is no state yet');
    else if (this.#taking !== undefined) this.#failed(id, 'another snapshot is being taken');
    else this.#taking = new SnapshotTaking(id, credit, tasks, layouts, this.#host);
  }

  addCredit(id: number, credit: number): void {
    if (this.#taking?.id === id) this.#taking.addCredit(credit);
  }

  cancel(id: number): void {
    if (this.#taking?.id === id) this.stop();
  }

  /** Of state that is let go of. */
  giveUp(reason: string): void {
    const id = this.#taking?.id;
    this.stop();
    if (id !== undefined) this.#failed(id, reason);
  }

  stop(): void {
    this.#taking?.cancel();
    this.#taking = undefined;
  }

  /** Writes one part; true while there is more to write at once. */
  step(): boolean {
    if (this.#taking === undefined) return false;
    try {
      const progress = this.#taking.step();
      if (progress === 'done') this.#taking = undefined;
      return progress === 'more';
    } catch (thrown) {
      this.giveUp(toError(thrown).message);
      return false;
    }
  }

  #failed(id: number, reason: string): void {
    this.#host.post({ type: 'snapshot-failed', id, reason });
  }
}

// Says when the lane comes within the lag limit of the end of its input, and when it falls behind again.
import type { Clock, Timer } from '@tandem/ports';
import type { OpenSource } from './processor.ts';
import { lagOf } from './status.ts';
import type { LaneTask } from './task.ts';

/** How often it looks while nothing arrives and the lane is not in sync. */
const look_ms = 25;

export class LagWatch {
  inSync = false;
  readonly #clock: Clock;
  readonly #limit_inputs: number;
  readonly #say: (inSync: boolean) => void;
  #tasks: readonly LaneTask[] | undefined;
  #sources: readonly OpenSource[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, limit_inputs: number, say: (inSync: boolean) => void) {
    this.#clock = clock;
    this.#limit_inputs = limit_inputs;
    this.#say = say;
  }

  /** `tasks`: undefined while there is no state. */
  watch(tasks: readonly LaneTask[] | undefined, sources: readonly OpenSource[]): void {
    this.#tasks = tasks;
    this.#sources = sources;
    this.look();
  }

  look(): void {
    const limit = this.#limit_inputs;
    const isNear = (task: LaneTask): boolean => (lagOf(task, this.#sources) ?? Number.POSITIVE_INFINITY) <= limit;
    this.#set(this.#tasks?.every(isNear) ?? false);
    if (this.#tasks === undefined || this.inSync || this.#timer !== undefined) return;
    // Ends become known, and logs are found empty, without a record that would wake us.
    this.#timer = this.#clock.after(look_ms, () => {
      this.#timer = undefined;
      this.look();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #set(inSync: boolean): void {
    if (this.inSync === inSync) return;
    this.inSync = inSync;
    this.#say(inSync);
  }
}

// The digests of a lane's tasks: gathered for control, and taken where an input has ended for the time being. Those at
// every so many positions are taken by the tasks themselves, between two inputs.
import type { Clock, Timer } from '@tandem/ports';
import type { TaskDigest } from './messages.ts';
import type { LaneTask } from './task.ts';

/** Looks at every task so often within the interval: an end is seen at most this much of it late. */
const looks = 4;

interface Watched {
  readonly task: LaneTask;
  /** Where it was when somebody last looked, and since when it has been there. */
  position: number;
  since_ms: number;
}

export class Digests {
  readonly #clock: Clock;
  readonly #interval_ms: number;
  readonly #post: (digests: readonly TaskDigest[]) => void;
  #watched: readonly Watched[] = [];
  #gathered: TaskDigest[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, interval_ms: number, post: (digests: readonly TaskDigest[]) => void) {
    this.#clock = clock;
    this.#interval_ms = interval_ms;
    this.#post = post;
  }

  add(digest: TaskDigest): void {
    this.#gathered.push(digest);
  }

  send(): void {
    if (this.#gathered.length === 0) return;
    const digests = this.#gathered;
    this.#gathered = [];
    this.#post(digests);
  }

  /** These from now on, in place of those before. */
  watch(tasks: readonly LaneTask[]): void {
    const since_ms = this.#clock.now_ms();
    this.#watched = tasks.map((task) => ({ task, position: task.position, since_ms }));
    // Of tasks that are no more.
    this.#gathered = [];
    this.#timer?.cancel();
    this.#timer = undefined;
    if (tasks.length > 0) this.#lookLater();
  }

  #lookLater(): void {
    this.#timer = this.#clock.after(this.#interval_ms / looks, () => {
      this.#lookLater();
      this.#look();
    });
  }

  #look(): void {
    const now_ms = this.#clock.now_ms();
    for (const watched of this.#watched) {
      const { task, position, since_ms } = watched;
      if (task.position !== position) {
        watched.position = task.position;
        watched.since_ms = now_ms;
      } else if (now_ms - since_ms >= this.#interval_ms) {
        task.digestHere();
      }
    }
    this.send();
  }
}

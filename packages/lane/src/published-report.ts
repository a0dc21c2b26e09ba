// Tells control about published positions, gathered for a moment so that a busy lane does not flood it.
import type { Position, TaskId } from '@tandem/pair';
import type { Clock, Timer } from '@tandem/ports';
import type { PositionTexts } from './messages.ts';
import { positionTexts } from './position-texts.ts';

const gather_ms = 5;

export class PublishedReport {
  readonly #clock: Clock;
  readonly #send: (positions: PositionTexts, since_ms: number) => void;
  readonly #moved = new Map<TaskId, Position>();
  /** Wall time of the first of them. */
  #since_ms = 0;
  #timer: Timer | undefined;

  /** `send` gets with the positions the wall time at which the first of them was heard of. */
  constructor(clock: Clock, send: (positions: PositionTexts, since_ms: number) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  add(task: TaskId, position: Position): void {
    if (this.#moved.size === 0) this.#since_ms = this.#clock.wall_ms();
    this.#moved.set(task, position);
    this.#timer ??= this.#clock.after(gather_ms, () => {
      this.flush();
    });
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#moved.size === 0) return;
    const positions = positionTexts(this.#moved);
    this.#moved.clear();
    this.#send(positions, this.#since_ms);
  }
}

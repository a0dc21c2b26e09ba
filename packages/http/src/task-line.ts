// The outputs of one task on their way: one after the other, each until it has been taken. What has been confirmed is
// remembered for as long as the opening lasts, so that trying a batch again sends nothing twice.
import type { Position, TaskId } from '@tandem/pair';
import type { Clock } from '@tandem/ports';
import type { HttpSinkBinding } from './configuration.ts';
import type { Output } from './outputs.ts';
import type { Slice } from './slice.ts';
import type { Verdict } from './verdict.ts';

/** One time is free: an old connection that turns out to be closed says nothing about the receiver. */
const freeAttempts = 1;

export interface Refusal {
  readonly output: Output;
  readonly status: number;
  readonly why: string;
}

export interface LineHost {
  readonly clock: Clock;
  readonly retryOf: (sink: number) => HttpSinkBinding['retry'];
  /** Undefined: nothing was sent, because there is no authority, or not any more. */
  readonly send: (task: TaskId, output: Output) => Promise<Verdict | undefined>;
  /** Whether what is refused is put aside; otherwise the line ends there. */
  readonly putsAside: (sink: number) => boolean;
  readonly random: () => number;
}

export class TaskLine {
  readonly task: TaskId;
  /** Outputs that were refused and put aside, in order; taken away once they are stored. */
  readonly aside: Refusal[] = [];
  /** The output that ends the line: it was refused, and nobody wants to put it aside. */
  refusal: Refusal | undefined;
  /** Why the output at its head has not been taken yet. */
  trouble: { readonly sink: number; readonly why: string } | undefined;
  /** The head is not sent again before. */
  notBefore_ms = Number.NEGATIVE_INFINITY;
  readonly #host: LineHost;
  /** Outputs of earlier inputs are confirmed, and so many of this one's. */
  #position: Position;
  #confirmed = 0;
  #attempts = 0;
  #freeAttempts = 0;
  /** Sent, and not answered when a call ended: its answer is awaited by the next. */
  #underWay: Promise<Verdict | undefined> | undefined;

  constructor(task: TaskId, start: Position, host: LineHost) {
    this.task = task;
    this.#position = start;
    this.#host = host;
  }

  /** Every output of every input before it is confirmed or put aside; as far as these outputs tell. */
  reached(outputs: readonly Output[], end: Position): Position {
    return outputs.find((output) => !this.#isDone(output))?.position ?? end;
  }

  /**
   * Sends these in order, but for those that are confirmed; returns when all are, or the head has to wait, or the slice
   * is over.
   */
  async run(outputs: readonly Output[], slice: Slice): Promise<void> {
    for (const output of outputs) {
      if (this.#isDone(output)) continue;
      for (;;) {
        if (slice.isOver() || this.refusal !== undefined) return;
        if (this.#underWay === undefined && this.#host.clock.now_ms() < this.notBefore_ms) return;
        this.#underWay ??= this.#host.send(this.task, output);
        const given = await Promise.race([this.#underWay.then((verdict) => ({ verdict })), slice.over]);
        if (given === undefined) return;
        this.#underWay = undefined;
        if (given.verdict === undefined) return;
        if (this.#take(given.verdict, output)) break;
      }
      slice.confirm();
    }
  }

  /** Whether the line goes on with the next output. */
  #take(given: Verdict, output: Output): boolean {
    if (given.verdict === 'again') {
      this.#putOff(given, output.sink);
      return false;
    }
    this.#attempts = 0;
    this.#freeAttempts = 0;
    this.trouble = undefined;
    if (given.verdict === 'refused') {
      const refusal = { output, status: given.status, why: given.why };
      if (!this.#host.putsAside(output.sink)) {
        this.refusal = refusal;
        return false;
      }
      this.aside.push(refusal);
    }
    this.#position = output.position;
    this.#confirmed = output.index + 1;
    return true;
  }

  #putOff({ why, atLeast_ms, isFree }: Extract<Verdict, { verdict: 'again' }>, sink: number): void {
    const { clock, retryOf, random } = this.#host;
    if (isFree && this.#freeAttempts < freeAttempts) {
      this.#freeAttempts++;
      return;
    }
    this.trouble = { sink, why };
    const { first, most } = retryOf(sink);
    const grown_ms = Math.min(most, first * 2 ** Math.min(this.#attempts++, 30)) * (0.5 + random() / 2);
    this.notBefore_ms = clock.now_ms() + Math.max(grown_ms, atLeast_ms);
  }

  #isDone({ position, index }: Output): boolean {
    return position < this.#position || (position === this.#position && index < this.#confirmed);
  }
}

// Time that passes only when it is told to: one queue of what is due in a whole simulation, in one order.
//
// Between two things that are due, all that follows from the first without time (its promises) comes to its end, so a
// run has one course, whatever the machine does.
import type { Clock, Timer } from '@tandem/ports';

interface Due {
  at_ms: number;
  /** Of two that are due at the same time the one that was asked for first comes first. */
  order: number;
  readonly owner: SimulatedProcess | undefined;
  /** Undefined once it is cancelled. */
  callback: (() => void) | undefined;
}

export class VirtualTime {
  #now_ms = 0;
  #order = 0;
  /** A binary heap, the earliest first. */
  readonly #queue: Due[] = [];

  /** Since the simulation began, ms. */
  now_ms(): number {
    return this.#now_ms;
  }

  /** Once, in `delay_ms`. With an owner: as long as it lives, and not while it is paused. */
  after(delay_ms: number, callback: () => void, owner?: SimulatedProcess): Timer {
    const due: Due = { at_ms: this.#now_ms + Math.max(0, delay_ms), order: this.#order++, owner, callback };
    this.#push(due);
    return {
      cancel: () => {
        due.callback = undefined;
      },
    };
  }

  /** Everything that is due until then, and what follows from it. */
  async runUntil(until_ms: number): Promise<void> {
    await settled();
    for (let next = this.#queue[0]; next !== undefined && next.at_ms <= until_ms; next = this.#queue[0]) {
      await this.#run(next);
    }
    this.#now_ms = Math.max(this.#now_ms, until_ms);
  }

  /** Until the condition holds. @throws Error when it does not within `limit_ms`. */
  async until(what: string, condition: () => boolean, limit_ms: number): Promise<void> {
    const end_ms = this.#now_ms + limit_ms;
    await settled();
    while (!condition()) {
      const next = this.#queue[0];
      if (next === undefined || next.at_ms > end_ms) {
        throw new Error(`${what}: not within ${String(limit_ms)} ms of virtual time`);
      }
      await this.#run(next);
    }
  }

  /** Takes up what was due while its owner was paused. */
  resume(due: readonly Due[]): void {
    for (const one of due) {
      one.at_ms = this.#now_ms;
      one.order = this.#order++;
      this.#push(one);
    }
  }

  async #run(next: Due): Promise<void> {
    this.#pop();
    const { owner, callback } = next;
    if (callback === undefined) return;
    this.#now_ms = next.at_ms;
    if (owner?.state === 'dead') return;
    if (owner?.state === 'paused') {
      owner.putOff(next);
      return;
    }
    next.callback = undefined;
    try {
      callback();
    } catch (thrown) {
      if (owner === undefined) throw thrown;
      owner.onThrown(thrown);
    }
    await settled();
  }

  #push(due: Due): void {
    const queue = this.#queue;
    let at = queue.length;
    queue.push(due);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = queue[parent];
      if (above === undefined || !isBefore(due, above)) break;
      queue[at] = above;
      at = parent;
    }
    queue[at] = due;
  }

  #pop(): void {
    const queue = this.#queue;
    const last = queue.pop();
    if (last === undefined || queue.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [first, second] = [queue[left], queue[left + 1]];
      if (first === undefined) break;
      const isSecond = second !== undefined && isBefore(second, first);
      const child = isSecond ? second : first;
      if (!isBefore(child, last)) break;
      queue[at] = child;
      at = isSecond ? left + 1 : left;
    }
    queue[at] = last;
  }
}

export type ProcessState = 'running' | 'paused' | 'dead';

/** One process in a simulation, and its clock: it may run fast or slow, and its wall clock may be set. */
export class SimulatedProcess implements Clock {
  readonly time: VirtualTime;
  /** Of its monotonic clock against virtual time; 1 is right. */
  readonly rate: number;
  readonly #began_ms: number;
  #wallOffset_ms: number;
  #state: ProcessState = 'running';
  #late: Due[] = [];
  readonly #threads = new Set<SimulatedProcess>();
  /** What becomes of an exception that nobody caught; thrown on unless somebody says otherwise. */
  onThrown: (thrown: unknown) => void = (thrown) => {
    throw thrown;
  };

  constructor(time: VirtualTime, options: { readonly wall_ms: number; readonly rate?: number }) {
    this.time = time;
    this.rate = options.rate ?? 1;
    this.#began_ms = time.now_ms();
    this.#wallOffset_ms = options.wall_ms;
  }

  get state(): ProcessState {
    return this.#state;
  }

  now_ms(): number {
    return (this.time.now_ms() - this.#began_ms) * this.rate;
  }

  wall_ms(): number {
    return this.#wallOffset_ms + this.now_ms();
  }

  after(delay_ms: number, callback: () => void): Timer {
    // A clock of its own is rounded; a timer that is early by the last digit would be asked for again without end.
    const rounding_ms = this.rate === 1 ? 0 : 1e-6;
    return this.time.after(delay_ms / this.rate + rounding_ms, callback, this);
  }

  /** Somebody sets the wall clock; the monotonic one is not concerned. */
  jump(by_ms: number): void {
    this.#wallOffset_ms += by_ms;
  }

  /** A thread of it: the same clock, and it is stopped and killed with its process; killed by itself, it dies alone. */
  thread(): SimulatedProcess {
    const thread = new Thread(this);
    this.#threads.add(thread);
    return thread;
  }

  /** As by SIGSTOP: what comes due meanwhile happens when it is continued, in the same order. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
    for (const thread of this.#threads) thread.pause();
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    this.time.resume(this.#late);
    this.#late = [];
    for (const thread of this.#threads) thread.resume();
  }

  /** As by SIGKILL: nothing of it ever happens again. */
  kill(): void {
    this.#state = 'dead';
    this.#late = [];
    for (const thread of this.#threads) thread.kill();
    this.#threads.clear();
  }

  /** For virtual time only. */
  putOff(due: Due): void {
    this.#late.push(due);
  }
}

class Thread extends SimulatedProcess {
  readonly #process: SimulatedProcess;

  constructor(process: SimulatedProcess) {
    super(process.time, { wall_ms: 0, rate: process.rate });
    this.#process = process;
    if (process.state === 'paused') this.pause();
  }

  override now_ms(): number {
    return this.#process.now_ms();
  }

  override wall_ms(): number {
    return this.#process.wall_ms();
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at_ms < b.at_ms || (a.at_ms === b.at_ms && a.order < b.order);
}

/** Promises that can be kept without time are kept first. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

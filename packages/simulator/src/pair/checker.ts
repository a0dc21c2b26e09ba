// Finds what must not happen, from what is written, said and kept alone. The letters are those of pair/SPEC.md.
import type { Epoch, TaskId } from '@tandem/pair';
import type { FromLane } from '@tandem/lane';
import type { Published, Written } from '../publisher.ts';
import type { History } from './history.ts';
import type { ExpectedOutput, Reference } from './reference.ts';

export interface Violation {
  /** For instance `S3`. */
  readonly rule: string;
  readonly what: string;
}

/** What one input puts out may go beyond the limit of the queues. */
const oneInput_bytes = 2_048;

/** Of one sink and task. */
interface Progress {
  /** Different outputs so far: all that come before that one in the reference. */
  count: number;
  /** At sinks without a fence: the one that comes next, if nothing is repeated. */
  next: number;
}

export class Checker {
  readonly violations: Violation[] = [];
  /** Outputs that came again, at sinks without a fence. */
  repeated = 0;
  readonly #history: History;
  readonly #references: ReadonlyMap<string, Reference>;
  /** By app, sink and task. */
  readonly #written = new Map<string, Progress>();
  /** By app and lane, the newest epoch that has opened the sinks with a fence. */
  readonly #opened = new Map<string, Epoch>();
  /** By app and lane, the newest epoch that a sink without a fence has had anything from. */
  readonly #sent = new Map<string, Epoch>();
  /** By epoch, the run of a node that says it holds it. */
  readonly #holders = new Map<Epoch, string>();
  readonly #queueLimit_bytes: number;
  #lastEpoch = 0;

  constructor(history: History, references: ReadonlyMap<string, Reference>, queueLimit_bytes: number) {
    this.#history = history;
    this.#references = references;
    this.#queueLimit_bytes = queueLimit_bytes;
  }

  violate(rule: string, what: string): void {
    this.violations.push({ rule, what });
    this.#history.note('CHECK', `${rule} violated: ${what}`);
  }

  /** An output in a sink with a fence, as an independent reader sees it: S2 and S3. */
  onWritten(written: Written): void {
    const { scope, epoch, sink, task } = written;
    const { app, lane } = scope;
    this.#noteEpoch(written);
    const newest = this.#opened.get(`${app}/${String(lane)}`);
    if (newest !== undefined && newest > epoch) {
      this.violate('S2', `written in epoch ${String(epoch)} after ${String(newest)} had opened: ${sink} ${task}`);
    }
    const progress = this.#progress(app, sink, task);
    const expected = this.#references.get(app)?.of(sink, task)[progress.count];
    if (!isSame(written, expected)) {
      const wanted = expected === undefined ? 'nothing' : `position ${String(expected.position)} ${expected.value}`;
      this.violate('S3', `output ${String(progress.count)} is ${describe(written)}, and has to be ${wanted}`);
    }
    progress.count++;
  }

  /** An output at a sink without a fence: S3, with repetitions, and S11. */
  onSent(written: Written): void {
    const { scope, epoch, sink, task } = written;
    const { app, lane } = scope;
    this.#noteEpoch(written);
    const newest = this.#sent.get(`${app}/${String(lane)}`) ?? epoch;
    if (newest > epoch) {
      this.violate('S11', `sent in epoch ${String(epoch)} after something of ${String(newest)}: ${describe(written)}`);
    }
    this.#sent.set(`${app}/${String(lane)}`, newest > epoch ? newest : epoch);
    const progress = this.#progress(app, sink, task);
    const outputs = this.#references.get(app)?.of(sink, task) ?? [];
    if (!isSame(written, outputs[progress.next])) {
      // It may begin again at any output that was sent before, and goes on from there.
      const again = outputs.findIndex((output) => isSame(written, output));
      if (again < 0 || again > progress.count) {
        this.violate('S3', `${describe(written)} comes after ${String(progress.count)} outputs, out of its turn`);
        return;
      }
      progress.next = again;
    }
    progress.next++;
    if (progress.next > progress.count) progress.count = progress.next;
    else this.repeated++;
  }

  /**
   * For S2, and stronger: whoever opens has claimed its epoch, so nobody of an older one can have it verified any more.
   */
  onOpened({ app, lane }: Written['scope'], epoch: Epoch): void {
    const name = `${app}/${String(lane)}`;
    if ((this.#opened.get(name) ?? 0) < epoch) this.#opened.set(name, epoch);
  }

  /** S1: what a node says when it begins to take over. `run`: of its process. */
  onHolding(run: string, epoch: Epoch): void {
    const holder = this.#holders.get(epoch);
    if (holder !== undefined) this.violate('S1', `epoch ${String(epoch)} is held by ${run}, and was by ${holder}`);
    for (const [before, one] of this.#holders) {
      if (one === run && before > epoch)
        this.violate('S1', `${run} goes from epoch ${String(before)} to ${String(epoch)}`);
    }
    this.#holders.set(epoch, run);
  }

  /** S5: what counts as published ends between two inputs, and everything before is there. */
  onPublished({ app, sinks, moves }: Published, hasFence: boolean): void {
    const reference = this.#references.get(app);
    if (reference === undefined) return;
    for (const { task, to } of moves) {
      for (const sink of sinks) {
        const outputs = reference.of(sink, task);
        const { count } = this.#progress(app, sink, task);
        const [last, next] = [outputs[count - 1], outputs[count]];
        const where = `${task} counts as published up to ${String(to)}, and ${sink}`;
        if (next !== undefined && next.position < to) {
          this.violate('S5', `${where} has not the whole of the input at ${String(next.position)}`);
        }
        // Without a fence more may have arrived than anybody knows of.
        if (hasFence && last !== undefined && last.position >= to) {
          this.violate('S5', `${where} has an output of the input at ${String(last.position)}`);
        }
      }
    }
  }

  /** S6. */
  onFromLane(app: string, lane: number, message: FromLane): void {
    if (message.type !== 'answer') return;
    let queued_bytes = 0;
    for (const task of message.status.tasks) queued_bytes += task.queued_bytes;
    if (queued_bytes > this.#queueLimit_bytes + oneInput_bytes) {
      this.violate('S6', `lane ${String(lane)} of ${app} queues ${String(queued_bytes)} bytes`);
    }
  }

  /** What comes before this position counts as written already. */
  beginAt(app: string, task: TaskId, sinks: readonly string[], position: number): void {
    for (const sink of sinks) {
      const outputs = this.#references.get(app)?.of(sink, task) ?? [];
      const found = outputs.findIndex((output) => output.position >= position);
      const count = found < 0 ? outputs.length : found;
      this.#written.set(`${app} ${sink} ${task}`, { count, next: count });
    }
  }

  /** What is missing of an app's outputs; undefined when nothing is. */
  missing(app: string, tasks: readonly TaskId[]): string | undefined {
    const reference = this.#references.get(app);
    if (reference === undefined) return undefined;
    for (const sink of reference.sinks) {
      for (const task of tasks) {
        const { count } = this.#progress(app, sink, task);
        const wanted = reference.of(sink, task).length;
        if (count < wanted) return `${sink} of ${task} has ${String(count)} of ${String(wanted)} outputs`;
      }
    }
    return undefined;
  }

  /** Outputs of this app that have come, or of all. */
  outputs(app?: string): number {
    let sum = 0;
    for (const [name, { count }] of this.#written) {
      if (app === undefined || name.startsWith(`${app} `)) sum += count;
    }
    return sum;
  }

  #progress(app: string, sink: string, task: TaskId): Progress {
    const name = `${app} ${sink} ${task}`;
    const progress = this.#written.get(name) ?? { count: 0, next: 0 };
    this.#written.set(name, progress);
    return progress;
  }

  #noteEpoch(written: Written): void {
    if (written.epoch === this.#lastEpoch) return;
    this.#lastEpoch = written.epoch;
    this.#history.note('sinks', `first of epoch ${String(written.epoch)}: ${describe(written)}`);
  }
}

function isSame({ position, record }: Written, expected: ExpectedOutput | undefined): boolean {
  return (
    expected?.position === position && expected.key === textOf(record.key) && expected.value === textOf(record.value)
  );
}

function describe({ sink, task, position, record }: Written): string {
  return `${sink} of ${task}, position ${String(position)}: ${textOf(record.value) ?? 'null'}`;
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString();
}

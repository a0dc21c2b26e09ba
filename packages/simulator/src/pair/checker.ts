// Finds what must not happen, from what is written, said and kept alone. The letters are those of pair/SPEC.md.
import type { Epoch, TaskId } from '@tandem/pair';
import type { FromLane, ToLane } from '@tandem/lane';
import type { Written } from '../publisher.ts';
import type { History } from './history.ts';
import type { Reference } from './reference.ts';

export interface Violation {
  /** For instance `S3`. */
  readonly rule: string;
  readonly what: string;
}

export class Checker {
  readonly violations: Violation[] = [];
  readonly #history: History;
  readonly #references: ReadonlyMap<string, Reference>;
  /** How many outputs there are, by app, sink and task. */
  readonly #written = new Map<string, number>();
  /** By app and lane, the newest epoch whose opening was verified. */
  readonly #verified = new Map<string, Epoch>();
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

  /** S3, as an independent reader sees it, and S2. */
  onWritten({ scope, epoch, sink, task, position, record }: Written): void {
    const { app, lane } = scope;
    if (epoch !== this.#lastEpoch) {
      this.#lastEpoch = epoch;
      this.#history.note('sinks', `written in epoch ${String(epoch)}: ${sink} ${task} position ${String(position)}`);
    }
    const newest = this.#verified.get(`${app}/${String(lane)}`);
    if (newest !== undefined && newest > epoch) {
      this.violate(
        'S2',
        `written in epoch ${String(epoch)} after ${String(newest)} had been verified: ${sink} ${task}`,
      );
    }
    const name = `${app} ${sink} ${task}`;
    const number = this.#written.get(name) ?? 0;
    this.#written.set(name, number + 1);
    const expected = this.#references.get(app)?.of(sink, task)[number];
    const key = record.key === null ? null : Buffer.from(record.key).toString();
    const value = record.value === null ? 'null' : Buffer.from(record.value).toString();
    if (expected?.position === position && expected.key === key && expected.value === value) return;
    const wanted = expected === undefined ? 'nothing' : `position ${String(expected.position)} ${expected.value}`;
    this.violate(
      'S3',
      `output ${String(number)} of ${name} is position ${String(position)} ${value}, and has to be ${wanted}`,
    );
  }

  onToLane(app: string, lane: number, message: ToLane): void {
    if (message.type !== 'verified') return;
    const name = `${app}/${String(lane)}`;
    if ((this.#verified.get(name) ?? 0) < message.epoch) this.#verified.set(name, message.epoch);
  }

  /** S6. */
  onFromLane(app: string, lane: number, message: FromLane): void {
    if (message.type !== 'answer') return;
    let queued_bytes = 0;
    for (const task of message.status.tasks) queued_bytes += task.queued_bytes;
    // What one input puts out may go beyond it.
    if (queued_bytes > this.#queueLimit_bytes + oneInput_bytes) {
      this.violate('S6', `lane ${String(lane)} of ${app} queues ${String(queued_bytes)} bytes`);
    }
  }

  /** What is missing of an app's outputs; undefined when nothing is. */
  missing(app: string, tasks: readonly TaskId[]): string | undefined {
    const reference = this.#references.get(app);
    if (reference === undefined) return undefined;
    for (const sink of reference.sinks) {
      for (const task of tasks) {
        const number = this.#written.get(`${app} ${sink} ${task}`) ?? 0;
        const wanted = reference.of(sink, task).length;
        if (number < wanted) return `${sink} of ${task} has ${String(number)} of ${String(wanted)} outputs`;
      }
    }
    return undefined;
  }

  get outputs(): number {
    let sum = 0;
    for (const number of this.#written.values()) sum += number;
    return sum;
  }
}

const oneInput_bytes = 2_048;

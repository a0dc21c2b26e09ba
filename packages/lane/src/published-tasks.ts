// How far the tasks of one publisher are published: their queues are trimmed by it, and control is told.
import type { OutputQueue, Position, Positions, PublisherName, TaskId } from '@tandem/pair';
import type { PublishedReport } from './published-report.ts';

/** The part of a task that a publisher deals with. */
export interface PublishedTask {
  readonly id: TaskId;
  readonly queue: OutputQueue;
  published(position: Position): void;
}

export class PublishedTasks {
  readonly publisher: PublisherName;
  readonly #report: PublishedReport;
  readonly #onTrimmed: () => void;
  #tasks = new Map<TaskId, PublishedTask>();
  #queues: readonly OutputQueue[] = [];
  /** The highest durable position heard of from elsewhere than our own publishing. */
  readonly #known = new Map<TaskId, Position>();

  constructor(publisher: PublisherName, report: PublishedReport, onTrimmed: () => void) {
    this.publisher = publisher;
    this.#report = report;
    this.#onTrimmed = onTrimmed;
  }

  get queues(): readonly OutputQueue[] {
    return this.#queues;
  }

  /** Other tasks than before: a restore or a start. */
  set(tasks: readonly PublishedTask[]): void {
    this.#tasks = new Map(tasks.map((task) => [task.id, task]));
    this.#queues = tasks.map((task) => task.queue);
  }

  all(): Iterable<PublishedTask> {
    return this.#tasks.values();
  }

  isAnyAhead(): boolean {
    return this.#queues.some((queue) => queue.head < queue.end);
  }

  /** Everything before the position is durable, as our own opening or publishing tells; `trimmed` must follow. */
  publishedTo(id: TaskId, position: Position): void {
    const task = this.#tasks.get(id);
    if (task === undefined) return;
    task.queue.trim(position);
    task.published(position);
    this.#report.add(id, position);
  }

  /** An input that waits for room may go on. */
  trimmed(): void {
    this.#onTrimmed();
  }

  learn(positions: Positions): void {
    for (const [id, position] of positions) {
      if (position > (this.#known.get(id) ?? 0)) this.#known.set(id, position);
    }
  }

  /**
   * Only while our own publishing is off: else what is in flight lies in the queues, and is not to be trimmed under it.
   * True when a queue let go of something.
   */
  applyKnown(): boolean {
    let trimmed = false;
    for (const task of this.#tasks.values()) {
      const position = this.#known.get(task.id);
      if (position === undefined) continue;
      const before = task.queue.head;
      task.queue.trim(position);
      if (task.queue.head !== before) trimmed = true;
      task.published(position);
    }
    this.#onTrimmed();
    return trimmed;
  }

  /** Tells control of positions that were followed; its own it knows already. */
  tell(positions: Positions): void {
    for (const [id, position] of positions) if (this.#tasks.has(id)) this.#report.add(id, position);
  }

  flushReport(): void {
    this.#report.flush();
  }
}

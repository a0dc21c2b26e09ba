// Switches one publisher of the lane on and off, and publishes what waits in the queues of all its tasks.
//
// Opening is steps 2 to 7 of a promotion: open, have the epoch verified, read back, trim, drain, live. A fence, or an
// outcome that is not known, always leads back to the first of them, never on from memory (S2, S3).
import {
  positionFromText,
  type Epoch,
  type OutputQueue,
  type Position,
  type Positions,
  type PublisherName,
  type TaskId,
} from '@tandem/pair';
import { toError, type Clock, type OutputBatch, type Publisher, type Timer } from '@tandem/ports';
import { LaneFailure, toLaneFailure } from './failure.ts';
import type { FromLane, PositionTexts } from './messages.ts';
import { BatchComposer, type BatchLimits } from './output-batch.ts';
import { PublishedReport } from './published-report.ts';
import { Retry, Waiting } from './waiting.ts';

/** Inputs that made no outputs have their position published this often. */
const positionsInterval_ms = 1000;
/** How long stepping down waits for the call in flight before it gives up the connection. */
const stopLimit_ms = 2000;
const followRetry_ms = 1000;
/** How often a closed publisher is kept ready to be opened. */
const prepareInterval_ms = 5000;

export type DriverState = 'closed' | 'opening' | 'awaiting-verify' | 'reading-back' | 'draining' | 'live';

/** The part of a task that a publisher deals with. */
export interface PublishedTask {
  readonly id: TaskId;
  readonly queue: OutputQueue;
  published(position: Position): void;
}

export interface DriverHost {
  readonly clock: Clock;
  random(): number;
  post(message: FromLane): void;
  /** The publisher gave up: the lane must fail. */
  fail(failure: LaneFailure): void;
  /** Queues were trimmed: an input that waits for room may go on. */
  onTrimmed(): void;
}

/** One `open`, until it is stopped or superseded. */
interface Run {
  readonly epoch: Epoch;
  readonly initialise: Positions | undefined;
  /** When each step of the opening under way began, for the log. */
  readonly began_ms: Partial<Record<DriverState, number>>;
  stopped: boolean;
  done: Promise<void>;
}

/** What became of an attempt to open or to publish. */
type Progress = 'on' | 'again' | 'over';

export class PublisherDriver {
  readonly name: PublisherName;
  state: DriverState = 'closed';
  outputs = 0;
  calls = 0;
  failures = 0;
  /** What keeps it from publishing at the moment, for people. */
  trouble: string | undefined;
  readonly #host: DriverHost;
  readonly #create: () => Promise<Publisher>;
  readonly #composer: BatchComposer;
  readonly #report: PublishedReport;
  readonly #wait: Waiting;
  readonly #retry: Retry;
  #publisher: Publisher | undefined;
  #tasks = new Map<TaskId, PublishedTask>();
  #queues: readonly OutputQueue[] = [];
  #run: Run | undefined;
  /** The highest durable position heard of from elsewhere; applied whenever our own publishing is off. */
  readonly #known = new Map<TaskId, Position>();
  #creating: Promise<Publisher> | undefined;
  #following = false;
  #follower: { stop(): Promise<void> } | undefined;
  #verified: Epoch | undefined;
  /** An answer of control may still be on its way that is older than the opening it would be taken for. */
  readonly #staleAnswers = new Map<Epoch, number>();
  #positionsPublished_ms = 0;
  #preparing = false;
  #prepareTimer: Timer | undefined;
  #closed = false;

  constructor(
    name: PublisherName,
    publisher: Publisher,
    create: () => Promise<Publisher>,
    limits: BatchLimits,
    host: DriverHost,
  ) {
    this.name = name;
    this.#publisher = publisher;
    this.#create = create;
    this.#composer = new BatchComposer(limits);
    this.#host = host;
    this.#wait = new Waiting(host.clock);
    this.#retry = new Retry(host.clock, () => host.random());
    this.#report = new PublishedReport(host.clock, (positions) => {
      host.post({ type: 'published', publisher: name, positions });
    });
  }

  /** Opened, or on its way to being open or closed. */
  get isOn(): boolean {
    return this.#run !== undefined;
  }

  /** Other queues than before: a restore or a start. Only while it is off. */
  setTasks(tasks: readonly PublishedTask[]): void {
    this.#tasks = new Map(tasks.map((task) => [task.id, task]));
    this.#queues = tasks.map((task) => task.queue);
    this.#applyKnown();
    void this.#prepare();
  }

  /** Something was queued. */
  wake(): void {
    if (this.#run !== undefined) this.#wait.wake();
  }

  open(epoch: Epoch, initialise: Positions | undefined): void {
    const before = this.#run;
    if (this.#closed || (before !== undefined && before.epoch >= epoch)) return;
    if (before !== undefined) this.#end(before);
    const run: Run = { epoch, initialise, began_ms: {}, stopped: false, done: Promise.resolve() };
    this.#run = run;
    run.done = (before?.done ?? Promise.resolve()).then(() => this.#drive(run));
    // Whatever escapes the loop is our own mistake, and nothing may be published after it.
    run.done.catch((thrown: unknown) => {
      run.stopped = true;
      this.#host.fail(toLaneFailure(thrown, 'internal'));
    });
  }

  /** Control has verified that `epoch` is current and ours. */
  verified(epoch: Epoch): void {
    const run = this.#run;
    if (run === undefined || run.epoch !== epoch || this.state !== 'awaiting-verify') return;
    const stale = this.#staleAnswers.get(epoch) ?? 0;
    if (stale > 0) {
      this.#staleAnswers.set(epoch, stale - 1);
      this.#host.post({ type: 'verify-please', publisher: this.name, epoch, storedEpoch: undefined });
      return;
    }
    this.#verified = epoch;
    this.#wait.wake();
  }

  /** Stops after the call in flight; gives its connection up when that takes too long. */
  async stop(limit_ms = stopLimit_ms): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    this.#end(run);
    const inTime = await this.#wait.within(run.done, limit_ms);
    if (!inTime) {
      await this.#wait.within(this.#giveUpPublisher(), limit_ms);
    }
    // A newer open has taken over meanwhile: the state is its own.
    if (this.#run !== run) return;
    this.#run = undefined;
    this.state = 'closed';
    this.trouble = undefined;
    this.#report.flush();
    this.#applyKnown();
  }

  /** Durable published positions, learnt from elsewhere than our own publishing. */
  trim(positions: Positions): void {
    for (const [id, position] of positions) {
      if (position > (this.#known.get(id) ?? 0)) this.#known.set(id, position);
    }
    this.#applyKnown();
  }

  /** Whether durable positions are read from where they are kept. */
  async follow(on: boolean): Promise<void> {
    this.#following = on;
    if (on) {
      await this.#keepFollowing();
      return;
    }
    const follower = this.#follower;
    this.#follower = undefined;
    await follower?.stop();
  }

  async close(limit_ms = stopLimit_ms): Promise<void> {
    this.#closed = true;
    this.#prepareTimer?.cancel();
    await this.stop(limit_ms);
    await this.#wait.within(this.follow(false), limit_ms);
    await this.#wait.within(this.#giveUpPublisher(), limit_ms);
    this.#report.flush();
    this.#wait.close();
  }

  #end(run: Run): void {
    if (run.stopped) return;
    run.stopped = true;
    if (this.state === 'awaiting-verify' && this.#verified === undefined) {
      this.#staleAnswers.set(run.epoch, (this.#staleAnswers.get(run.epoch) ?? 0) + 1);
    }
    this.#wait.wake();
  }

  async #drive(run: Run): Promise<void> {
    this.#retry.reset();
    while (!run.stopped) {
      let progress = await this.#open(run);
      if (progress === 'on') progress = await this.#publishWhileOpen(run);
      if (progress === 'over') return;
      // The first time at once: the usual case is a single fence or a lost connection.
      await this.#retry.pause(this.#wait, run);
    }
  }

  /** Steps 2 to 5. */
  async #open(run: Run): Promise<Progress> {
    this.#enter(run, 'opening');
    this.#verified = undefined;
    let publisher: Publisher;
    let storedEpoch: Epoch | undefined;
    try {
      publisher = await this.#ensurePublisher();
      const opened = await publisher.open(run.epoch, run.initialise);
      if (run.stopped) return 'over';
      if (opened.outcome === 'fatal') return this.#fatal(run, opened.cause);
      if (opened.outcome === 'retryable') return this.#failed(opened.cause.message, opened.wait_ms);
      storedEpoch = opened.outcome === 'opened' ? opened.storedEpoch : opened.byEpoch;
      if (storedEpoch !== undefined && storedEpoch > run.epoch) return this.#superseded(run, storedEpoch);
      const verified = await this.#verify(run, storedEpoch);
      if (!verified) return 'over';
      if (opened.outcome === 'fenced') return this.#failed('fenced while opening', 0);
    } catch (thrown) {
      return this.#failed(toError(thrown).message, 0);
    }
    return this.#readBack(run, publisher);
  }

  /** Step 3. Waits for as long as control needs: without an answer nothing may be published (S2). */
  async #verify(run: Run, storedEpoch: Epoch | undefined): Promise<boolean> {
    this.#enter(run, 'awaiting-verify');
    this.#host.post({ type: 'verify-please', publisher: this.name, epoch: run.epoch, storedEpoch });
    while (!isStopped(run) && this.#verified !== run.epoch) await this.#wait.wait(undefined);
    return !isStopped(run);
  }

  /** Steps 4 and 5. */
  async #readBack(run: Run, publisher: Publisher): Promise<Progress> {
    this.#enter(run, 'reading-back');
    let positions: Positions;
    try {
      const readBack = await publisher.readBack();
      if (run.stopped) return 'over';
      if (readBack.epoch !== undefined && readBack.epoch > run.epoch) return this.#superseded(run, readBack.epoch);
      positions = readBack.positions;
    } catch (thrown) {
      return this.#failed(`published positions could not be read back: ${toError(thrown).message}`, 0);
    }
    this.#checkReadBack(positions);
    for (const task of this.#tasks.values()) {
      const position = positions.get(task.id);
      if (position === undefined) continue;
      task.queue.trim(position);
      this.#published(task, position);
    }
    this.#host.onTrimmed();
    return 'on';
  }

  /** S9: nothing that is not there is made up, and nothing is skipped. */
  #checkReadBack(positions: Positions): void {
    const behind: Record<TaskId, string> = {};
    for (const task of this.#tasks.values()) {
      const position = positions.get(task.id);
      if (position === undefined) {
        throw new LaneFailure(
          'published-position-lost',
          `published position lost: ${this.name} has none for ${task.id}; restore it there, or reset the app`,
        );
      }
      if (position < task.queue.head) behind[task.id] = String(position);
    }
    const tasks = Object.keys(behind);
    if (tasks.length > 0) {
      throw new LaneFailure(
        'published-position-behind',
        `published position of ${tasks.join(', ')} in ${this.name} is before what this state still holds; an older revision is needed`,
        { positions: behind },
      );
    }
  }

  /** Steps 6 and 7, then on for as long as the opening holds. */
  async #publishWhileOpen(run: Run): Promise<Progress> {
    this.#enter(run, 'draining');
    const backlog = this.#queues.map((queue) => queue.end);
    this.#positionsPublished_ms = Number.NEGATIVE_INFINITY;
    for (;;) {
      if (isStopped(run)) return 'over';
      if (this.state === 'draining' && this.#queues.every((queue, index) => queue.head >= (backlog[index] ?? 0))) {
        this.#enter(run, 'live');
        this.trouble = undefined;
        this.#report.flush();
        this.#logOpening(run);
        this.#host.post({ type: 'live', publisher: this.name, epoch: run.epoch });
      }
      const now_ms = this.#host.clock.now_ms();
      const due_ms = this.#positionsPublished_ms + positionsInterval_ms - now_ms;
      const batch = this.#composer.compose(this.#queues, this.state === 'draining' || due_ms <= 0);
      if (batch === undefined) {
        await this.#wait.wait(due_ms > 0 && this.#anyAhead() ? due_ms : undefined);
        continue;
      }
      this.#positionsPublished_ms = now_ms;
      const progress = await this.#publish(run, batch);
      if (progress !== 'on') return progress;
    }
  }

  /** One batch, again and again as it is while the answer is that it was surely not published. */
  async #publish(run: Run, batch: OutputBatch): Promise<Progress> {
    const publisher = this.#publisher;
    if (publisher === undefined) return 'again';
    for (;;) {
      this.calls++;
      const outcome = await publisher.publish(batch).catch((thrown: unknown) => ({
        // Not known: only reading back can tell.
        outcome: 'fenced' as const,
        byEpoch: undefined,
        cause: toError(thrown),
      }));
      switch (outcome.outcome) {
        case 'published':
          // Too late: the connection was given up, and another opening may have these queues in its hands.
          if (this.#run !== run) return 'over';
          this.#retry.reset();
          this.trouble = undefined;
          this.outputs += batch.count;
          for (const move of batch.moves) {
            const task = this.#tasks.get(move.task);
            if (task === undefined) continue;
            task.queue.trim(move.to);
            this.#published(task, move.to);
          }
          this.#host.onTrimmed();
          return 'on';
        case 'retryable':
          this.#failed(outcome.cause.message, outcome.wait_ms);
          if (run.stopped) return 'over';
          await this.#retry.pause(this.#wait, run);
          if (isStopped(run)) return 'over';
          break;
        case 'fenced':
          if (run.stopped) return 'over';
          if (outcome.byEpoch !== undefined && outcome.byEpoch > run.epoch)
            return this.#superseded(run, outcome.byEpoch);
          return this.#failed('cause' in outcome ? outcome.cause.message : 'fenced: opening again', 0);
        case 'fatal':
          return this.#fatal(run, outcome.cause);
      }
    }
  }

  #enter(run: Run, state: DriverState): void {
    this.state = state;
    run.began_ms[state] = this.#host.clock.now_ms();
  }

  /** What each step of the opening took. */
  #logOpening({ epoch, began_ms }: Run): void {
    const took = (from: DriverState, to: DriverState): number =>
      Math.round(10 * ((began_ms[to] ?? 0) - (began_ms[from] ?? 0))) / 10;
    const fields = {
      publisher: this.name,
      epoch,
      open_ms: took('opening', 'awaiting-verify'),
      verify_ms: took('awaiting-verify', 'reading-back'),
      readBack_ms: took('reading-back', 'draining'),
      drain_ms: took('draining', 'live'),
    };
    this.#host.post({ type: 'log', level: 'info', message: 'publishing', fields });
  }

  #anyAhead(): boolean {
    return this.#queues.some((queue) => queue.head < queue.end);
  }

  #published(task: PublishedTask, position: Position): void {
    task.published(position);
    this.#report.add(task.id, position);
  }

  /** While our own publishing is on, what is in flight lies in the queues: they must not be trimmed under it. */
  #applyKnown(): void {
    if (this.#run !== undefined) return;
    for (const task of this.#tasks.values()) {
      const position = this.#known.get(task.id);
      if (position === undefined) continue;
      task.queue.trim(position);
      task.published(position);
    }
    this.#host.onTrimmed();
  }

  /** While closed: keeps what the next opening needs at hand, so that a promotion costs milliseconds. */
  async #prepare(): Promise<void> {
    this.#prepareTimer?.cancel();
    if (this.#closed) return;
    if (this.#run === undefined && !this.#preparing) {
      this.#preparing = true;
      try {
        await (await this.#ensurePublisher()).prepare();
      } catch {
        // The opening itself tries again, and says what is wrong.
      } finally {
        this.#preparing = false;
      }
    }
    if (this.#isClosed()) return;
    this.#prepareTimer = this.#host.clock.after(prepareInterval_ms, () => void this.#prepare());
  }

  async #ensurePublisher(): Promise<Publisher> {
    if (this.#publisher !== undefined) return this.#publisher;
    this.#creating ??= this.#create();
    try {
      this.#publisher = await this.#creating;
      return this.#publisher;
    } finally {
      this.#creating = undefined;
    }
  }

  async #giveUpPublisher(): Promise<void> {
    const publisher = this.#publisher;
    this.#publisher = undefined;
    this.#follower = undefined;
    try {
      await publisher?.close();
    } catch {
      // Nothing can be done about a connection that does not close.
    }
    if (this.#following && !this.#closed) void this.#keepFollowing();
  }

  async #keepFollowing(): Promise<void> {
    while (this.#following && !this.#closed && this.#follower === undefined) {
      try {
        const publisher = await this.#ensurePublisher();
        if (!this.#isFollowing() || this.#hasFollower()) return;
        this.#follower = publisher.follow((positions) => {
          this.#onFollowed(positions);
        });
      } catch (thrown) {
        this.trouble = `${this.name}: published positions cannot be followed: ${toError(thrown).message}`;
        await new Promise<void>((resolve) => this.#host.clock.after(followRetry_ms, resolve));
      }
    }
  }

  #onFollowed(positions: Positions): void {
    if (!this.#following || this.#closed) return;
    this.trim(positions);
    if (this.#run !== undefined) return;
    for (const [id, position] of positions) if (this.#tasks.has(id)) this.#report.add(id, position);
  }

  /** Read afresh after a wait, as those below. */
  #isClosed(): boolean {
    return this.#closed;
  }

  #isFollowing(): boolean {
    return this.#following && !this.#closed;
  }

  #hasFollower(): boolean {
    return this.#follower !== undefined;
  }

  #failed(why: string, wait_ms: number): Progress {
    this.failures++;
    this.trouble = `${this.name}: ${why}`;
    this.#retry.atLeast(wait_ms);
    return 'again';
  }

  #superseded(run: Run, byEpoch: Epoch): Progress {
    this.#stopHere(run);
    this.#host.post({ type: 'superseded', publisher: this.name, byEpoch });
    return 'over';
  }

  #fatal(run: Run, cause: Error): Progress {
    this.failures++;
    this.#stopHere(run);
    throw new LaneFailure('sink', `${this.name} refuses what this app puts out: ${cause.message}`, { cause });
  }

  #stopHere(run: Run): void {
    run.stopped = true;
    if (this.#run !== run) return;
    this.#run = undefined;
    this.state = 'closed';
    this.#report.flush();
    this.#applyKnown();
  }
}

/** Read afresh: it changes while we wait. */
function isStopped(run: Run): boolean {
  return run.stopped;
}

/** Positions of a message; those of other lanes' tasks do no harm. @throws RangeError. */
export function positionsFromTexts(texts: PositionTexts): Positions {
  return new Map(Object.entries(texts).map(([task, text]) => [task, positionFromText(text)]));
}

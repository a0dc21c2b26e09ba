// Switches one publisher of the lane on and off, and publishes what waits in the queues of all its tasks.
//
// Opening is steps 2 to 7 of a promotion: open, have the epoch verified, read back, trim (publisher-opening.ts), drain,
// live. A fence, or an outcome that is not known, always leads back to the first of them, never on from memory (S2, S3),
// and not before the epoch was found to be ours still: opening fences whoever publishes now.
import type { Epoch, Positions, PublisherName } from '@tandem/pair';
import { toError, type Clock, type OutputBatch, type Publisher } from '@tandem/ports';
import { LaneFailure, toLaneFailure } from './failure.ts';
import type { FromLane } from './messages.ts';
import { BatchComposer, type BatchLimits } from './output-batch.ts';
import { PublishedReport } from './published-report.ts';
import { PublishedTasks, type PublishedTask } from './published-tasks.ts';
import { PublisherConnection } from './publisher-connection.ts';
import { Following } from './publisher-following.ts';
import { openPublisher, Verification } from './publisher-opening.ts';
import { Preparing } from './publisher-preparing.ts';
import { isStopped, Run, type OpenRequest, type RunEnd } from './publisher-run.ts';
import type { ConnectedPublisher } from './systems.ts';
import type { TrimLagHistogram } from './trim-lag.ts';
import { Retry, Waiting } from './waiting.ts';

/** Inputs that made no outputs have their position published this often. */
const positionsInterval_ms = 1000;
/** How long stepping down waits for the call in flight before it gives up the connection. */
const stopLimit_ms = 2000;

export interface DriverHost {
  readonly clock: Clock;
  readonly trimLag: TrimLagHistogram;
  random(): number;
  post(message: FromLane): void;
  /** The publisher gave up: the lane must fail. */
  fail(failure: LaneFailure): void;
  /** Queues were trimmed: an input that waits for room may go on. */
  onTrimmed(): void;
}

export class PublisherDriver {
  readonly name: PublisherName;
  outputs = 0;
  calls = 0;
  failures = 0;
  readonly #host: DriverHost;
  readonly #composer: BatchComposer;
  readonly #tasks: PublishedTasks;
  readonly #wait: Waiting;
  readonly #connection: PublisherConnection;
  readonly #verification: Verification;
  readonly #following: Following;
  readonly #preparing: Preparing;
  #run: Run | undefined;
  #trouble: string | undefined;
  #positionsPublished_ms = 0;
  #heldUntil_ms = 0;
  #closed = false;

  constructor({ name, publisher, create }: ConnectedPublisher, limits: BatchLimits, host: DriverHost) {
    this.name = name;
    this.#host = host;
    this.#composer = new BatchComposer(limits);
    const post = (message: FromLane): void => {
      host.post(message);
    };
    const report = new PublishedReport(host.clock, (positions, since_ms) => {
      post({ type: 'published', publisher: name, positions, since_ms });
    });
    this.#tasks = new PublishedTasks(name, report, () => {
      host.onTrimmed();
    });
    this.#wait = new Waiting(host.clock);
    this.#connection = new PublisherConnection(publisher, create);
    this.#verification = new Verification(name, this.#wait, post);
    this.#following = new Following(this.#connection, host.clock, (positions) => {
      this.trim(positions);
      if (this.#run === undefined) this.#tasks.tell(positions);
    });
    this.#preparing = new Preparing({
      clock: host.clock,
      wait: this.#wait,
      connection: this.#connection,
      isOn: () => this.isOn,
      giveUp: () => this.#giveUpConnection(),
      example: () => this.#composer.compose(this.#tasks.queues, false),
    });
  }

  /** Opened, or on its way to being open or closed. */
  get isOn(): boolean {
    return this.#run !== undefined;
  }

  /** What keeps it from publishing or following at the moment, or does it harm, for people. */
  get trouble(): string | undefined {
    const trouble = this.#trouble ?? this.#following.trouble ?? this.#connection.warning;
    return trouble === undefined ? undefined : `${this.name}: ${trouble}`;
  }

  /** Other queues than before: a restore or a start. Only while it is off. */
  setTasks(tasks: readonly PublishedTask[]): void {
    this.#tasks.set(tasks);
    if (this.#run === undefined) this.#tasks.applyKnown();
    this.#preparing.begin();
  }

  /** Something was queued. */
  wake(): void {
    if (this.#run !== undefined) this.#wait.wake();
  }

  open(request: OpenRequest): void {
    const before = this.#run;
    if (this.#closed || (before !== undefined && before.epoch >= request.epoch)) return;
    const run = new Run(request, this.#host.clock);
    this.#run = run;
    this.#heldUntil_ms = 0;
    run.done = this.#endOf(before, stopLimit_ms).then(() => this.#drive(run));
    // Whatever escapes the loop is our own mistake, and nothing may be published after it.
    run.done.catch((thrown: unknown) => {
      run.stopped = true;
      this.#host.fail(toLaneFailure(thrown, 'internal'));
    });
  }

  /** Control has verified that `epoch` is current and ours. */
  verified(epoch: Epoch): void {
    if (this.#run?.epoch === epoch) this.#verification.answered(this.#run);
  }

  /** Begins nothing for this long, unless it is opened anew; what is under way comes to its end. */
  hold(limit_ms: number): void {
    this.#heldUntil_ms = this.#host.clock.now_ms() + limit_ms;
  }

  /** S11: nothing may be under way at a sink without a fence after this time. */
  authorityUntil(until_ms: number): void {
    this.#connection.authorityUntil(until_ms);
  }

  /** Stops after the call in flight; gives its connection up when that takes too long. */
  async stop(limit_ms = stopLimit_ms): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    await this.#endOf(run, limit_ms);
    this.#leave(run);
  }

  /**
   * Durable published positions, learnt from elsewhere than our own publishing; `since_ms`: wall time at which the
   * active had published the first of them.
   */
  trim(positions: Positions, since_ms?: number): void {
    this.#tasks.learn(positions);
    if (this.#run !== undefined) return;
    const trimmed = this.#tasks.applyKnown();
    if (trimmed && since_ms !== undefined) this.#host.trimLag.note(this.#host.clock.wall_ms() - since_ms);
  }

  /** Whether durable positions are read from where they are kept. */
  async follow(on: boolean): Promise<void> {
    if (!this.#closed) await this.#following.set(on);
  }

  async close(limit_ms = stopLimit_ms): Promise<void> {
    this.#closed = true;
    this.#preparing.stop();
    await this.stop(limit_ms);
    await this.#wait.within(this.#following.set(false), limit_ms);
    await this.#wait.within(this.#connection.giveUp(), limit_ms);
    this.#tasks.flushReport();
    this.#wait.close();
  }

  /** The run comes to its end: by itself, or by losing its connection. */
  async #endOf(run: Run | undefined, limit_ms: number): Promise<void> {
    if (run === undefined) return;
    if (!run.stopped) {
      run.stopped = true;
      this.#verification.abandon(run);
      this.#wait.wake();
    }
    const inTime = await this.#wait.within(run.done, limit_ms);
    if (!inTime) await this.#wait.within(this.#giveUpConnection(), limit_ms);
  }

  /** The run is over. Where a newer one has taken its place, the rest is that one's. */
  #leave(run: Run): void {
    run.stopped = true;
    if (this.#run !== run) return;
    this.#run = undefined;
    this.#trouble = undefined;
    this.#tasks.flushReport();
    this.#tasks.applyKnown();
    // A switchover back may come the next moment.
    this.#preparing.begin();
  }

  async #giveUpConnection(): Promise<void> {
    const closed = this.#connection.giveUp();
    if (!this.#closed) void this.#following.beginAgain();
    await closed;
  }

  async #drive(run: Run): Promise<void> {
    const retry = new Retry(this.#host.clock, () => this.#host.random());
    const parts = {
      clock: this.#host.clock,
      wait: this.#wait,
      connection: this.#connection,
      verification: this.#verification,
      tasks: this.#tasks,
    };
    while (!isStopped(run)) {
      const opened = await openPublisher(run, parts);
      const end = opened.outcome === 'opened' ? await this.#publishWhileOpen(run, opened.publisher, retry) : opened;
      switch (end.outcome) {
        case 'stopped':
          return;
        case 'superseded':
          this.#leave(run);
          this.#host.post({ type: 'superseded', publisher: this.name, byEpoch: end.byEpoch });
          return;
        case 'fatal':
          this.failures++;
          this.#leave(run);
          throw new LaneFailure('sink', `${this.name} refuses what this app puts out: ${end.cause.message}`, {
            cause: end.cause,
          });
        case 'failed':
          // The first time at once: the usual case is a single fence or a lost connection.
          await this.#pause(run, retry, end);
          // Where nobody answers, its own epoch as the last one known lets it try: nothing is published on that alone.
          if (!isStopped(run)) await this.#verification.ask(run, run.epoch);
      }
    }
  }

  /** Steps 6 and 7, then on for as long as the opening holds. */
  async #publishWhileOpen(run: Run, publisher: Publisher, retry: Retry): Promise<RunEnd> {
    run.enter('draining');
    this.#tasks.trimmed();
    const { queues } = this.#tasks;
    const backlog = queues.map((queue) => queue.end);
    this.#positionsPublished_ms = Number.NEGATIVE_INFINITY;
    for (;;) {
      if (isStopped(run)) return { outcome: 'stopped' };
      if (run.step === 'draining' && queues.every((queue, index) => queue.head >= (backlog[index] ?? 0))) {
        this.#goLive(run);
      }
      const now_ms = this.#host.clock.now_ms();
      if (now_ms < this.#heldUntil_ms) {
        await this.#wait.wait(this.#heldUntil_ms - now_ms);
        continue;
      }
      const due_ms = this.#positionsPublished_ms + positionsInterval_ms - now_ms;
      const batch = this.#composer.compose(queues, run.step === 'draining' || due_ms <= 0);
      if (batch === undefined) {
        await this.#wait.wait(due_ms > 0 && this.#tasks.isAnyAhead() ? due_ms : undefined);
        continue;
      }
      this.#positionsPublished_ms = now_ms;
      const end = await this.#publish(run, publisher, batch, retry);
      if (end !== undefined) return end;
    }
  }

  #goLive(run: Run): void {
    run.enter('live');
    this.#trouble = undefined;
    this.#tasks.flushReport();
    const fields = { publisher: this.name, epoch: run.epoch, ...run.times() };
    this.#host.post({ type: 'log', level: 'info', message: 'publishing', fields });
    this.#host.post({ type: 'live', publisher: this.name, epoch: run.epoch });
  }

  /** One batch, again and again as it is while the answer is that it was surely not published. */
  async #publish(run: Run, publisher: Publisher, batch: OutputBatch, retry: Retry): Promise<RunEnd | undefined> {
    for (;;) {
      this.calls++;
      const outcome = await publisher.publish(batch).catch((thrown: unknown) => ({
        // Not known: only reading back can tell.
        outcome: 'fenced' as const,
        byEpoch: undefined,
        cause: toError(thrown),
      }));
      // Too late when the connection was given up: another opening may have these queues in its hands.
      if (outcome.outcome === 'published' && this.#run === run) {
        retry.reset();
        this.#trouble = undefined;
        const { part } = outcome;
        this.outputs += part?.outputs ?? batch.count;
        for (const { task, to } of batch.moves) {
          const position = part === undefined ? to : part.positions.get(task);
          if (position !== undefined) this.#tasks.publishedTo(task, position);
        }
        this.#tasks.trimmed();
        return undefined;
      }
      if (isStopped(run) || outcome.outcome === 'published') return { outcome: 'stopped' };
      if (outcome.outcome === 'fatal') return outcome;
      if (outcome.outcome === 'fenced') {
        const { byEpoch } = outcome;
        if (byEpoch !== undefined && byEpoch > run.epoch) return { outcome: 'superseded', byEpoch };
        const why = 'cause' in outcome ? outcome.cause.message : 'fenced: opening again';
        return { outcome: 'failed', why, wait_ms: 0 };
      }
      await this.#pause(run, retry, { why: outcome.cause.message, wait_ms: outcome.wait_ms });
      if (isStopped(run)) return { outcome: 'stopped' };
    }
  }

  /** Before the next attempt, with the reason in sight. */
  async #pause(run: Run, retry: Retry, failed: { readonly why: string; readonly wait_ms: number }): Promise<void> {
    this.failures++;
    this.#trouble = failed.why;
    retry.atLeast(failed.wait_ms);
    await retry.pause(this.#wait, run);
  }
}

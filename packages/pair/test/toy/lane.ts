// One app on one node: state and queue, and the publisher with its steps 2 to 7. It uses the real output queue.
import { asPosition, OutputQueue, QueueBudget, type AppName, type Epoch } from '@tandem/pair';
import type { ToyProcess } from './process.ts';
import { outputsOf, type ToySink } from './sink.ts';
import { timing } from './world.ts';

export interface ToySnapshot {
  readonly head: number;
  readonly end: number;
  readonly chunks: readonly Uint8Array[];
  readonly isWrong: boolean;
}

const noKey = Buffer.alloc(0);
const inputsPerPump = 25;
const outputsPerBatch = 20;
/** A request to the sink that has no answer by then is ended. */
const answerLimit_ms = 300;

export class ToyLane {
  private readonly process: ToyProcess;
  private readonly app: AppName;
  private readonly sink: ToySink;
  private queue: OutputQueue | undefined = undefined;
  private phase: 'closed' | 'asking-again' | 'opening' | 'verifying' | 'reading-back' | 'draining' | 'live' = 'closed';
  private epoch: Epoch | undefined = undefined;
  private opening = 0;
  /** Raised by each opening and closing: what was asked before concerns nobody any more. */
  private attempt = 0;
  private isPublishing = false;
  private isInSync = false;
  /** Its state is not what the inputs make of it: what it puts out is wrong from now on. */
  private isWrong = false;
  /** For a mistake: what was read back before the opening. */
  private readEarly: number | undefined = undefined;

  constructor(process: ToyProcess, app: AppName) {
    this.process = process;
    this.app = app;
    this.sink = process.world.sink(app);
  }

  begin(): void {
    this.queue = this.newQueue();
    this.isWrong = false;
  }

  restore(snapshot: ToySnapshot): void {
    const queue = this.newQueue();
    for (const chunk of snapshot.chunks) queue.restoreChunk(chunk);
    queue.restoreEnd(asPosition(snapshot.head), asPosition(snapshot.end));
    this.queue = queue;
    this.isWrong = snapshot.isWrong;
    this.isInSync = false;
  }

  goWrong(): void {
    this.isWrong = true;
  }

  snapshot(): ToySnapshot | undefined {
    const cut = this.queue?.cut();
    if (cut === undefined) return undefined;
    const chunks: Uint8Array[] = [];
    cut.drain((chunk) => chunks.push(Uint8Array.from(chunk)) > 0);
    cut.close();
    return { head: cut.head, end: cut.end, chunks, isWrong: this.isWrong };
  }

  /** Applies inputs, lets go of what is published, publishes what is due. */
  pump(): void {
    const { queue } = this;
    if (queue === undefined) return;
    const log = this.process.world.logs.get(this.app) ?? 0;
    for (let count = 0; count < inputsPerPump && queue.end < log; count++) {
      for (const text of outputsOf(this.app, queue.end)) {
        queue.append(0, 0, 0, noKey, 0, -1, this.isWrong ? `not ${text}` : text, undefined);
      }
      queue.endInput(queue.end);
    }
    const isInSync = log - queue.end < inputsPerPump;
    if (isInSync !== this.isInSync) {
      this.isInSync = isInSync;
      this.process.dispatch({ type: 'app-lag', app: this.app, inSync: isInSync });
    }
    if (this.phase === 'closed') queue.trim(asPosition(this.sink.published));
    this.publish();
  }

  /** At a sink without a fence nothing is done before `unfencedFrom_ms` (S11). */
  open(epoch: Epoch, unfencedFrom_ms = 0): void {
    const { world } = this.process;
    this.epoch = epoch;
    this.phase = 'opening';
    const attempt = ++this.attempt;
    // What is under way comes to its end first: nothing else would keep it from arriving after what comes now.
    const wait_ms = Math.max(unfencedFrom_ms - world.now_ms, this.isPublishing ? 1 : 0);
    if (wait_ms > 0 && world.options.fence === 'none' && world.options.laneMistake !== 'opens-without-waiting') {
      world.after(wait_ms, this.process, () => {
        if (attempt === this.attempt) this.open(epoch);
      });
      return;
    }
    if (world.options.laneMistake === 'reads-back-before-open') this.readEarly = this.sink.readBack().position;
    this.ask(
      () => this.sink.open(epoch),
      (opened) => {
        if (attempt !== this.attempt) return;
        if (opened === undefined) this.openAgain(epoch);
        else if (opened.outcome === 'fenced') this.superseded(opened.byEpoch);
        else {
          this.phase = 'verifying';
          this.opening = opened.opening;
          this.verifyPlease(epoch, opened.storedEpoch);
        }
      },
    );
  }

  verified(epoch: Epoch): void {
    if (epoch !== this.epoch) return;
    if (this.phase === 'asking-again') this.open(epoch);
    if (this.phase !== 'verifying') return;
    this.sink.onVerified(epoch);
    this.phase = 'reading-back';
    const { attempt } = this;
    this.ask(
      () => this.sink.readBack(),
      (read) => {
        if (attempt !== this.attempt) return;
        if (read === undefined) this.openAgain(epoch);
        else if (read.epoch !== undefined && read.epoch > epoch) this.superseded(read.epoch);
        else {
          const position = this.readEarly ?? read.position;
          if (position < (this.queue?.head ?? 0)) throw new Error(`${this.app}: the published position went back`);
          this.queue?.trim(asPosition(position));
          this.phase = 'draining';
          this.publish();
        }
      },
    );
  }

  stepDown(): void {
    this.phase = 'closed';
    this.attempt += 1;
    const { world } = this.process;
    world.after(world.latency_ms(), this.process, () => {
      this.process.dispatch({ type: 'app-stepped-down', app: this.app });
    });
  }

  /** All that it knows is gone. */
  fail(): void {
    this.phase = 'closed';
    this.attempt += 1;
    this.queue = undefined;
    this.isInSync = false;
  }

  private publish(): void {
    const { queue, epoch, opening, attempt } = this;
    if (queue === undefined || epoch === undefined || this.isPublishing) return;
    if (this.phase !== 'draining' && this.phase !== 'live') return;
    if (!this.hasAuthority()) return;
    const slice = queue.slice({ outputs: outputsPerBatch, size_bytes: 1e6 });
    if (slice === undefined) {
      if (this.phase === 'draining') {
        this.phase = 'live';
        this.process.dispatch({ type: 'publisher-live', app: this.app, publisher: 'toy', epoch });
      }
      return;
    }
    const outputs: string[] = [];
    for (const cursor = slice.cursor(); cursor.next();) {
      outputs.push(cursor.bytes.toString('utf8', cursor.valueStart, cursor.valueEnd));
    }
    this.isPublishing = true;
    const sentAt_ms = this.process.world.now_ms;
    this.ask(
      () =>
        this.arrives(sentAt_ms)
          ? this.sink.publish(opening, epoch, { from: slice.from, to: slice.to, outputs })
          : undefined,
      (outcome) => {
        this.isPublishing = false;
        if (attempt !== this.attempt) return;
        if (outcome === 'published') {
          queue.trim(slice.to);
          this.publish();
        } else this.afterFence(epoch);
      },
    );
  }

  private hasAuthority(): boolean {
    const { world } = this.process;
    if (world.options.fence !== 'none' || world.options.laneMistake === 'ignores-authority') return true;
    return world.now_ms < this.process.authorityUntil_ms;
  }

  /**
   * Without authority a process that runs ends its requests, and those that were not answered in time. What one that
   * does not run any more has sent is on its way for no longer than a third of the session time-out.
   */
  private arrives(sentAt_ms: number): boolean {
    const { world, isRunning } = this.process;
    if (world.options.fence !== 'none') return true;
    const age_ms = world.now_ms - sentAt_ms;
    return isRunning ? age_ms < answerLimit_ms && this.hasAuthority() : age_ms < timing.sessionTimeout_ms / 3;
  }

  /** Fenced, or the outcome is unknown: steps 2 to 7 again, never on from memory. */
  private afterFence(epoch: Epoch): void {
    if (this.process.world.options.laneMistake !== 'goes-on-from-memory') {
      this.openAgain(epoch);
      return;
    }
    const opened = this.sink.open(epoch);
    if (opened.outcome === 'opened') this.opening = opened.opening;
  }

  /** Not before the epoch is known to be ours still: opening fences whoever publishes now. */
  private openAgain(epoch: Epoch): void {
    this.attempt += 1;
    this.phase = 'asking-again';
    this.verifyPlease(epoch, epoch);
  }

  private verifyPlease(epoch: Epoch, storedEpoch: Epoch | undefined): void {
    this.process.dispatch({ type: 'verify-please', app: this.app, publisher: 'toy', lane: 0, epoch, storedEpoch });
  }

  private superseded(byEpoch: Epoch): void {
    this.phase = 'closed';
    this.process.dispatch({ type: 'publisher-superseded', app: this.app, publisher: 'toy', byEpoch });
  }

  /** A request to the sink; undefined when no answer came, though it may have been carried out. */
  private ask<Answer>(carryOut: () => Answer, onAnswer: (answer: Answer | undefined) => void): void {
    const { world } = this.process;
    let isOver = false;
    const answer = (given: Answer | undefined): void => {
      if (isOver) return;
      isOver = true;
      onAnswer(given);
    };
    world.after(answerLimit_ms, this.process, () => {
      answer(undefined);
    });
    if (world.isLost()) return;
    world.after(world.latency_ms(), undefined, () => {
      const given = carryOut();
      if (world.isLost()) return;
      world.after(world.latency_ms(), this.process, () => {
        answer(given);
      });
    });
  }

  private newQueue(): OutputQueue {
    return new OutputQueue({ task: `${this.app}/0`, sinkCount: 1, budget: new QueueBudget(1e9), start: asPosition(0) });
  }
}

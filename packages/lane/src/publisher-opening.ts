// Steps 2 to 5 of a promotion for one publisher: open, have the epoch verified, read back, trim. Whatever goes wrong
// leads back to the first of them (S2, S3).
import type { Epoch, Positions, PublisherName } from '@tandem/pair';
import { toError, type Clock, type Publisher } from '@tandem/ports';
import { LaneFailure } from './failure.ts';
import type { FromLane } from './messages.ts';
import type { PublishedTasks } from './published-tasks.ts';
import { isUnfenced, type PublisherConnection } from './publisher-connection.ts';
import { isStopped, type Run, type RunEnd } from './publisher-run.ts';
import type { Waiting } from './waiting.ts';

export interface OpeningParts {
  readonly clock: Clock;
  readonly wait: Waiting;
  readonly connection: PublisherConnection;
  readonly verification: Verification;
  readonly tasks: PublishedTasks;
}

/** @throws LaneFailure when what is stored does not go with the state there is (S9). */
export async function openPublisher(
  run: Run,
  parts: OpeningParts,
): Promise<RunEnd | { readonly outcome: 'opened'; readonly publisher: Publisher }> {
  const { connection, verification, tasks } = parts;
  run.enter('opening');
  try {
    const publisher = await connection.ensure();
    if (isUnfenced(publisher)) await outlastPredecessor(run, parts);
    if (isStopped(run)) return { outcome: 'stopped' };
    const opened = await publisher.open(run.epoch, run.initialise);
    if (isStopped(run)) return { outcome: 'stopped' };
    if (opened.outcome === 'fatal') return opened;
    if (opened.outcome === 'retryable') {
      return { outcome: 'failed', why: opened.cause.message, wait_ms: opened.wait_ms };
    }
    const storedEpoch = opened.outcome === 'opened' ? opened.storedEpoch : opened.byEpoch;
    if (storedEpoch !== undefined && storedEpoch > run.epoch) return { outcome: 'superseded', byEpoch: storedEpoch };
    // Asked for at once, as it comes after the fence (S3); of use only once the epoch is verified (S2).
    const reading = opened.outcome === 'opened' ? publisher.readBack() : undefined;
    reading?.catch(() => undefined);
    const isVerified = await verification.ask(run, storedEpoch);
    if (!isVerified) return { outcome: 'stopped' };
    if (reading === undefined) return { outcome: 'failed', why: 'fenced while opening', wait_ms: 0 };
    run.enter('reading-back');
    const { positions, epoch } = await reading;
    if (isStopped(run)) return { outcome: 'stopped' };
    if (epoch !== undefined && epoch > run.epoch) return { outcome: 'superseded', byEpoch: epoch };
    trimTo(positions, tasks);
    return { outcome: 'opened', publisher };
  } catch (thrown) {
    if (isStopped(run)) return { outcome: 'stopped' };
    if (thrown instanceof LaneFailure) throw thrown;
    const what = run.step === 'reading-back' ? 'published positions could not be read back: ' : '';
    return { outcome: 'failed', why: what + toError(thrown).message, wait_ms: 0 };
  }
}

/** S11: until then whoever was active before may still be at work, and nothing but this wait keeps them apart. */
async function outlastPredecessor(run: Run, { clock, wait }: OpeningParts): Promise<void> {
  for (;;) {
    const left_ms = run.unfencedFrom_ms - clock.now_ms();
    if (left_ms <= 0 || isStopped(run)) return;
    await wait.wait(left_ms);
  }
}

/** Step 5. S9: nothing that is not there is made up, and nothing is skipped. */
function trimTo(positions: Positions, tasks: PublishedTasks): void {
  const behind: Record<string, string> = {};
  for (const { id, queue } of tasks.all()) {
    const position = positions.get(id);
    if (position === undefined) {
      throw new LaneFailure(
        'published-position-lost',
        `published position lost: ${tasks.publisher} has none for ${id}; restore it there, or reset the app`,
      );
    }
    if (position < queue.head) behind[id] = String(position);
  }
  const late = Object.keys(behind);
  if (late.length > 0) {
    throw new LaneFailure(
      'published-position-behind',
      `published position of ${late.join(', ')} in ${tasks.publisher} is before what this state still holds; an older revision is needed`,
      { positions: behind },
    );
  }
  for (const [id, position] of positions) tasks.publishedTo(id, position);
}

/** Step 3: control answers once per question, and an answer may be older than the opening it would be taken for. */
export class Verification {
  readonly #publisher: PublisherName;
  readonly #wait: Waiting;
  readonly #post: (message: FromLane) => void;
  /** Answers on their way to runs that are over, by epoch. */
  readonly #stale = new Map<Epoch, number>();

  constructor(publisher: PublisherName, wait: Waiting, post: (message: FromLane) => void) {
    this.#publisher = publisher;
    this.#wait = wait;
    this.#post = post;
  }

  /** Waits for as long as control needs: without an answer nothing may be published (S2). False when stopped. */
  async ask(run: Run, storedEpoch: Epoch | undefined): Promise<boolean> {
    run.isVerified = false;
    run.enter('awaiting-verify');
    this.#ask(run.epoch, storedEpoch);
    while (!isStopped(run) && !isVerified(run)) await this.#wait.wait(undefined);
    return !isStopped(run);
  }

  /** Control says that the run's epoch is current and ours. */
  answered(run: Run): void {
    if (run.step !== 'awaiting-verify' || run.stopped) return;
    const stale = this.#stale.get(run.epoch) ?? 0;
    if (stale > 0) {
      this.#stale.set(run.epoch, stale - 1);
      this.#ask(run.epoch, undefined);
      return;
    }
    run.isVerified = true;
    this.#wait.wake();
  }

  /** The run ends: an answer that it still waits for is not for the next one. */
  abandon(run: Run): void {
    if (run.step === 'awaiting-verify' && !run.isVerified) {
      this.#stale.set(run.epoch, (this.#stale.get(run.epoch) ?? 0) + 1);
    }
  }

  #ask(epoch: Epoch, storedEpoch: Epoch | undefined): void {
    this.#post({ type: 'verify-please', publisher: this.#publisher, epoch, storedEpoch });
  }
}

/** Read afresh, as `isStopped`. */
function isVerified(run: Run): boolean {
  return run.isVerified;
}

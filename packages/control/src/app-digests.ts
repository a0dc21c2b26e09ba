// Whether an app's state here is that of the active: digests of both are kept by task and position, and compared as
// soon as there are two for the same position. Never those of different ones: a node is ahead of the other all the time.
import type { TaskDigest } from '@tandem/lane';
import type { Incarnation, TaskId } from '@tandem/pair';
import type { Clock, Timer } from '@tandem/ports';

/** Digests kept per task, of either node. */
export const digestsKept = 64;

export interface DigestCounts {
  /** Digests of this node since it was started. */
  readonly taken: number;
  /** Positions at which those of both nodes were compared. */
  readonly compared: number;
  /** Times that they differed, and the state was given up. */
  readonly divergences: number;
  readonly lastDivergence: Divergence | undefined;
  /** Every task has been found equal to the active's since its state was put in place. */
  readonly verified: boolean;
}

/** Where two digests for one position differ. */
export interface Divergence {
  readonly task: TaskId;
  readonly position: string;
  readonly what: 'state' | 'outputs';
  readonly own: string;
  readonly active: string;
}

export interface DigestsHost {
  readonly clock: Clock;
  /** How long after its state was put in place an app must have been found equal, and once more as long. */
  readonly grace_ms: number;
  /** Of the whole app. */
  tasks(): readonly TaskId[];
  /** This node does not hold the epoch, and its state is vouched for. */
  isToBeCompared(): boolean;
  /** The active can be heard, and has the app. */
  hearsActive(): boolean;
  onDiverged(divergence: Divergence): void;
  /** Some tasks could not be compared in time, for want of digests at the same position. */
  onUnverified(tasks: readonly TaskId[]): void;
}

/** How often it is looked whether an app has been verified. */
const looksPerGrace = 8;
const longestLook_ms = 5_000;

export class AppDigests {
  readonly #host: DigestsHost;
  readonly #own = new Kept();
  readonly #active = new Kept();
  #heardFrom: Incarnation | undefined;
  readonly #equal = new Set<TaskId>();
  #taken = 0;
  #compared = 0;
  #divergences = 0;
  #lastDivergence: Divergence | undefined;
  /** Its state has been asked for again because it could not be verified: that is done once. */
  #syncedAgain = false;
  /** Since when the active has been heard and the state here been there to be compared. */
  #waitingSince_ms: number | undefined;
  #timer: Timer | undefined;

  constructor(host: DigestsHost) {
    this.#host = host;
  }

  get counts(): DigestCounts {
    return {
      taken: this.#taken,
      compared: this.#compared,
      divergences: this.#divergences,
      lastDivergence: this.#lastDivergence,
      verified: this.#host.isToBeCompared() && this.#unequal.length === 0,
    };
  }

  /** This node's, oldest first within each task: what a passive that has just linked is sent. */
  get kept(): readonly TaskDigest[] {
    return this.#own.all;
  }

  /** State is about to be put in place, or is gone: digests of what was there before say nothing any more. */
  forgetOwn(): void {
    this.#own.clear();
    this.#equal.clear();
    this.#waitingSince_ms = undefined;
  }

  /** New lanes have been started: whatever state they get is verified as the first one was. */
  startAnew(): void {
    this.forgetOwn();
    this.#syncedAgain = false;
  }

  /** The state is in place: it is compared from now on, for good. */
  restored(): void {
    for (const digest of this.#own.all) if (!this.#compare(digest.task, digest.position)) break;
    this.#timer?.cancel();
    this.#lookLater();
  }

  /** Of the state that is in place, or being put there. */
  addOwn(digests: readonly TaskDigest[]): void {
    this.#taken += digests.length;
    this.#add(this.#own, digests);
  }

  /** As the active said. */
  addActive(digests: readonly TaskDigest[]): void {
    this.#add(this.#active, digests);
  }

  /** From now on it is this process that is listened to. */
  listenTo(active: Incarnation): void {
    if (active !== this.#heardFrom) this.#active.clear();
    this.#heardFrom = active;
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** Tasks that have not been found equal since the state was put in place. */
  get #unequal(): readonly TaskId[] {
    return this.#host.tasks().filter((task) => !this.#equal.has(task));
  }

  #add(kept: Kept, digests: readonly TaskDigest[]): void {
    for (const digest of digests) kept.add(digest);
    for (const { task, position } of digests) if (!this.#compare(task, position)) return;
  }

  /** False when they differ. */
  #compare(task: TaskId, position: string): boolean {
    const own = this.#own.get(task, position);
    const active = this.#active.get(task, position);
    if (own === undefined || active === undefined || !this.#host.isToBeCompared()) return true;
    this.#compared++;
    const divergence = divergenceOf(own, active);
    if (divergence === undefined) {
      this.#equal.add(task);
      return true;
    }
    this.#divergences++;
    this.#lastDivergence = divergence;
    this.#host.onDiverged(divergence);
    return false;
  }

  #lookLater(): void {
    const { clock, grace_ms } = this.#host;
    this.#timer = clock.after(Math.min(longestLook_ms, grace_ms / looksPerGrace), () => {
      this.#lookLater();
      this.#look();
    });
  }

  /** The second sync: an app that has not been found equal in good time is asked for once more. */
  #look(): void {
    const { clock, grace_ms } = this.#host;
    const unequal = this.#unequal;
    if (unequal.length === 0 || this.#syncedAgain || !this.#host.isToBeCompared()) return;
    if (!this.#host.hearsActive()) {
      this.#waitingSince_ms = undefined;
      return;
    }
    this.#waitingSince_ms ??= clock.now_ms();
    if (clock.now_ms() - this.#waitingSince_ms < 2 * grace_ms) return;
    this.#syncedAgain = true;
    this.#host.onUnverified(unequal);
  }
}

/** What is known of outputs from different positions on cannot be compared. */
function divergenceOf(own: TaskDigest, active: TaskDigest): Divergence | undefined {
  const { task, position } = own;
  if (own.state !== active.state) return { task, position, what: 'state', own: own.state, active: active.state };
  if (own.since === active.since && own.outputs !== active.outputs) {
    return { task, position, what: 'outputs', own: own.outputs, active: active.outputs };
  }
  return undefined;
}

/** The newest digests of each task. */
class Kept {
  readonly #byTask = new Map<TaskId, Map<string, TaskDigest>>();

  get all(): readonly TaskDigest[] {
    return [...this.#byTask.values()].flatMap((digests) => [...digests.values()]);
  }

  add(digest: TaskDigest): void {
    const { task, position } = digest;
    const digests = this.#byTask.get(task) ?? new Map<string, TaskDigest>();
    this.#byTask.set(task, digests);
    // Taken again by a state that was restored to before it: the newer one counts, and is the last to go.
    digests.delete(position);
    digests.set(position, digest);
    if (digests.size <= digestsKept) return;
    for (const oldest of digests.keys()) {
      digests.delete(oldest);
      return;
    }
  }

  get(task: TaskId, position: string): TaskDigest | undefined {
    return this.#byTask.get(task)?.get(position);
  }

  clear(): void {
    this.#byTask.clear();
  }
}

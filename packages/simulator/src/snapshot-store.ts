// A snapshot store in memory, for simulated pairs and tests; several stores may share one MemoryRevisions.
import type { AppName, Epoch, TaskId } from '@tandem/pair';
import {
  TandemError,
  type Clock,
  type RevisionHead,
  type RevisionInfo,
  type SnapshotStore,
  type WriteOutcome,
} from '@tandem/ports';
import { instantWire, request, type Wire } from './wire.ts';

const chunk_bytes = 4096;
const answerLimit_ms = 2000;

interface Kept {
  readonly info: RevisionInfo;
  readonly content: Buffer;
  /** From here on it cannot be read. */
  damagedFrom_bytes: number;
}

interface AppRevisions {
  epoch: Epoch;
  lastRevision: number;
  readonly kept: Map<number, Kept>;
}

/** What the stores of a pair share. */
export class MemoryRevisions {
  readonly apps = new Map<AppName, AppRevisions>();
  /** While it answers true, the store is down. */
  isDown: () => boolean = () => false;
  /** While it answers true, nothing can be written: what is under way fails at its next piece. */
  isFull: () => boolean = () => false;
  /** Told of every revision as it is kept. */
  onKept: (app: AppName, revision: number) => void = () => undefined;

  open(clock: Clock, wire: Wire = instantWire(clock)): SnapshotStore {
    return new MemorySnapshotStore(this, clock, wire);
  }

  /** Whether it is there, and undamaged. */
  isWhole(app: AppName, revision: number): boolean {
    const kept = this.apps.get(app)?.kept.get(revision);
    return kept !== undefined && kept.damagedFrom_bytes === kept.content.length;
  }

  /** Another store that holds only this revision. */
  only(app: AppName, revision: number): MemoryRevisions {
    const copy = new MemoryRevisions();
    const kept = this.apps.get(app)?.kept.get(revision);
    if (kept === undefined) throw new RangeError('no such revision');
    copy.apps.set(app, { epoch: kept.info.epoch, lastRevision: revision, kept: new Map([[revision, kept]]) });
    return copy;
  }

  /** As when it was cut short, or one byte is wrong: what lies before `share` (0 up to 1) of it can still be read. */
  corrupt(app: AppName, revision: number, share = 0): void {
    const kept = this.apps.get(app)?.kept.get(revision);
    if (kept === undefined || kept.content.length === 0) throw new RangeError('no such revision, or an empty one');
    kept.damagedFrom_bytes = Math.min(kept.damagedFrom_bytes, Math.floor(share * kept.content.length));
  }
}

class MemorySnapshotStore implements SnapshotStore {
  readonly #revisions: MemoryRevisions;
  readonly #clock: Clock;
  readonly #wire: Wire;

  constructor(revisions: MemoryRevisions, clock: Clock, wire: Wire) {
    this.#revisions = revisions;
    this.#clock = clock;
    this.#wire = wire;
  }

  async write(
    head: RevisionHead,
    content: AsyncIterable<Uint8Array>,
    positions: () => Readonly<Record<TaskId, string>>,
  ): Promise<WriteOutcome> {
    const refused = await this.#ask(() => this.#fence(head));
    if (refused !== undefined) return refused;
    const pieces: Buffer[] = [];
    for await (const piece of content) {
      pieces.push(Buffer.from(piece));
      await this.#ask(() => {
        this.#needsSpace();
      });
    }
    const bytes = Buffer.concat(pieces);
    const at = positions();
    const createdAt_ms = this.#clock.wall_ms();
    return this.#ask(() => {
      const fenced = this.#fence(head);
      if (fenced !== undefined) return fenced;
      this.#needsSpace();
      return this.#keep({ ...head, positions: at, createdAt_ms }, bytes);
    });
  }

  list(app: AppName): Promise<readonly RevisionInfo[]> {
    return this.#ask(() => this.#list(app));
  }

  async *read(app: AppName, revision: number): AsyncGenerator<Uint8Array> {
    const { content, damagedFrom_bytes } = await this.#ask(() => {
      const kept = this.#revisions.apps.get(app)?.kept.get(revision);
      if (kept === undefined) {
        throw new TandemError('revision-missing', `revision ${String(revision)} of app '${app}' is not in the store`);
      }
      return kept;
    });
    // Each piece is checked before it is handed out, as in the real stores.
    for (let at = 0; at < content.length; at += chunk_bytes) {
      const piece = await this.#ask(() => content.subarray(at, at + chunk_bytes));
      if (damagedFrom_bytes < at + piece.length) {
        throw new TandemError('snapshot-corrupt', `revision ${String(revision)} of app '${app}' fails its checksum`);
      }
      yield piece;
    }
  }

  prune(app: AppName, keep: number): Promise<readonly number[]> {
    return this.#ask(() => {
      if (!Number.isInteger(keep) || keep < 1) {
        throw new RangeError(`must keep at least one revision, not ${String(keep)}`);
      }
      const dropped = this.#list(app)
        .slice(keep)
        .map((info) => info.revision);
      for (const revision of dropped) this.#revisions.apps.get(app)?.kept.delete(revision);
      return dropped;
    });
  }

  highestEpoch(app: AppName): Promise<Epoch | undefined> {
    return this.#ask(() => this.#revisions.apps.get(app)?.epoch);
  }

  deleteAll(app: AppName): Promise<number> {
    return this.#ask(() => {
      const kept = this.#revisions.apps.get(app)?.kept;
      const count = kept?.size ?? 0;
      kept?.clear();
      return count;
    });
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }

  #list(app: AppName): readonly RevisionInfo[] {
    const kept = this.#revisions.apps.get(app)?.kept.values() ?? [];
    return [...kept].map((each) => each.info).sort((a, b) => b.revision - a.revision);
  }

  #keep(info: Omit<RevisionInfo, 'revision' | 'size_bytes'>, content: Buffer): WriteOutcome {
    const app = this.#revisions.apps.get(info.app) ?? { epoch: info.epoch, lastRevision: 0, kept: new Map() };
    this.#revisions.apps.set(info.app, app);
    app.epoch = info.epoch;
    app.lastRevision += 1;
    const revision = app.lastRevision;
    const size_bytes = content.length;
    app.kept.set(revision, { info: { ...info, revision, size_bytes }, content, damagedFrom_bytes: size_bytes });
    this.#revisions.onKept(info.app, revision);
    return { outcome: 'stored', revision, size_bytes };
  }

  /** While it is down nothing is answered but that. */
  #ask<T>(effect: () => T): Promise<T> {
    const unreachable = (): Error => new TandemError('store-unreachable', 'the snapshot store is down');
    const reached = (): T => {
      if (this.#revisions.isDown()) throw unreachable();
      return effect();
    };
    return request(this.#wire, reached, answerLimit_ms, unreachable);
  }

  #needsSpace(): void {
    if (this.#revisions.isFull()) throw new TandemError('store-full', 'the snapshot store has no space left');
  }

  #fence(head: RevisionHead): WriteOutcome | undefined {
    const seen = this.#revisions.apps.get(head.app)?.epoch;
    return seen !== undefined && seen > head.epoch ? { outcome: 'fenced', byEpoch: seen } : undefined;
  }
}

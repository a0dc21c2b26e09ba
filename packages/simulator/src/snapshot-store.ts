// A snapshot store in memory, for simulated pairs and tests; several stores may share one MemoryRevisions.
import { createHash } from 'node:crypto';
import type { AppName, Epoch, TaskId } from '@tandem/pair';
import {
  TandemError,
  type Clock,
  type RevisionHead,
  type RevisionInfo,
  type SnapshotStore,
  type WriteOutcome,
} from '@tandem/ports';

const chunk_bytes = 1024 * 1024;

interface Kept {
  readonly info: RevisionInfo;
  readonly content: Buffer;
  readonly sha256: string;
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

  open(clock: Clock): SnapshotStore {
    return new MemorySnapshotStore(this, clock);
  }

  /** Changes one byte. */
  corrupt(app: AppName, revision: number): void {
    const content = this.apps.get(app)?.kept.get(revision)?.content;
    if (content === undefined || content.length === 0) throw new RangeError('no such revision, or an empty one');
    content.writeUInt8(content.readUInt8(0) ^ 0xff, 0);
  }
}

class MemorySnapshotStore implements SnapshotStore {
  readonly #revisions: MemoryRevisions;
  readonly #clock: Clock;

  constructor(revisions: MemoryRevisions, clock: Clock) {
    this.#revisions = revisions;
    this.#clock = clock;
  }

  async write(
    head: RevisionHead,
    content: AsyncIterable<Uint8Array>,
    positions: () => Readonly<Record<TaskId, string>>,
  ): Promise<WriteOutcome> {
    const refused = this.#fence(head);
    if (refused !== undefined) return refused;
    const pieces: Buffer[] = [];
    for await (const piece of content) pieces.push(Buffer.from(piece));
    const bytes = Buffer.concat(pieces);
    const at = positions();
    const overtaken = this.#fence(head);
    if (overtaken !== undefined) return overtaken;
    const app = this.#revisions.apps.get(head.app) ?? { epoch: head.epoch, lastRevision: 0, kept: new Map() };
    this.#revisions.apps.set(head.app, app);
    app.epoch = head.epoch;
    app.lastRevision += 1;
    const revision = app.lastRevision;
    const info = { ...head, revision, positions: at, size_bytes: bytes.length, createdAt_ms: this.#clock.wall_ms() };
    app.kept.set(revision, { info, content: bytes, sha256: digest(bytes) });
    return { outcome: 'stored', revision, size_bytes: bytes.length };
  }

  async list(app: AppName): Promise<readonly RevisionInfo[]> {
    this.#check();
    const kept = this.#revisions.apps.get(app)?.kept.values() ?? [];
    return Promise.resolve([...kept].map((each) => each.info).sort((a, b) => b.revision - a.revision));
  }

  async *read(app: AppName, revision: number): AsyncGenerator<Uint8Array> {
    this.#check();
    const kept = this.#revisions.apps.get(app)?.kept.get(revision);
    if (kept === undefined) {
      throw new TandemError('revision-missing', `revision ${String(revision)} of app '${app}' is not in the store`);
    }
    if (digest(kept.content) !== kept.sha256) {
      throw new TandemError('snapshot-corrupt', `revision ${String(revision)} of app '${app}' fails its checksum`);
    }
    for (let at = 0; at < kept.content.length; at += chunk_bytes) {
      yield await Promise.resolve(kept.content.subarray(at, at + chunk_bytes));
    }
  }

  async prune(app: AppName, keep: number): Promise<readonly number[]> {
    this.#check();
    if (!Number.isInteger(keep) || keep < 1)
      throw new RangeError(`must keep at least one revision, not ${String(keep)}`);
    const dropped = (await this.list(app)).slice(keep).map((info) => info.revision);
    for (const revision of dropped) this.#revisions.apps.get(app)?.kept.delete(revision);
    return dropped;
  }

  async highestEpoch(app: AppName): Promise<Epoch | undefined> {
    this.#check();
    return Promise.resolve(this.#revisions.apps.get(app)?.epoch);
  }

  async deleteAll(app: AppName): Promise<number> {
    this.#check();
    const kept = this.#revisions.apps.get(app)?.kept;
    const count = kept?.size ?? 0;
    kept?.clear();
    return Promise.resolve(count);
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }

  #fence(head: RevisionHead): WriteOutcome | undefined {
    this.#check();
    const seen = this.#revisions.apps.get(head.app)?.epoch;
    return seen !== undefined && seen > head.epoch ? { outcome: 'fenced', byEpoch: seen } : undefined;
  }

  #check(): void {
    if (this.#revisions.isDown()) throw new TandemError('store-unreachable', 'the snapshot store is down');
  }
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

// Notices that somebody else publishes under this lane's transactional id while this node's epoch stands: then it is no
// older or newer node of the pair, which would have left, but another pair of the same name. Nothing is lost or doubled
// by that, since each fences the other, but it would go on for ever without a word.
import type { Epoch } from '@tandem/pair';
import type { PublishedRecord } from './positions-topic.ts';

/** It goes on for as long as both run. */
const again_ms = 60_000;

/** All but the last of them are surely undone. */
const attemptsMost = 3;

export class Rivals {
  /** What was surely stored last, by whomever. */
  #stored: PublishedRecord | undefined;
  /** What may be stored since by our own doing, the newest last. */
  #attempted: PublishedRecord[] = [];
  #seen_ms = Number.NEGATIVE_INFINITY;
  #told_ms = Number.NEGATIVE_INFINITY;

  attempted(record: PublishedRecord): void {
    this.#attempted = [...this.#attempted, record].slice(-attemptsMost);
  }

  published(record: PublishedRecord): void {
    this.#stored = record;
    this.#attempted = [];
  }

  /** Somebody was noticed within the last minute. */
  isThere(now_ms: number): boolean {
    return now_ms - this.#seen_ms < again_ms;
  }

  /** Told what is stored after each opening; true when the log should say so. */
  isToBeTold(stored: PublishedRecord | undefined, epoch: Epoch, now_ms: number): boolean {
    const explained = [this.#stored, ...this.#attempted].filter((record) => record !== undefined);
    this.#stored = stored;
    this.#attempted = [];
    // Nothing of this epoch yet: what is stored is our predecessor's. A higher epoch: we are the older one, and leave.
    if (!explained.some((record) => record.epoch === epoch)) return false;
    if (stored === undefined || stored.epoch > epoch) return false;
    if (explained.some((record) => isSame(record, stored))) return false;
    this.#seen_ms = now_ms;
    if (now_ms - this.#told_ms < again_ms) return false;
    this.#told_ms = now_ms;
    return true;
  }
}

function isSame(one: PublishedRecord, other: PublishedRecord): boolean {
  return (
    one.epoch === other.epoch &&
    one.positions.size === other.positions.size &&
    [...one.positions].every(([task, position]) => other.positions.get(task) === position)
  );
}

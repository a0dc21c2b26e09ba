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
  /** What may be stored by our own doing, the newest last: what was published, and what was attempted since. */
  #own: PublishedRecord[] = [];
  #told_ms = Number.NEGATIVE_INFINITY;

  attempted(record: PublishedRecord): void {
    this.#own = [...this.#own.slice(-attemptsMost), record];
  }

  published(record: PublishedRecord): void {
    this.#own = [record];
  }

  /** Told what is stored after each opening; true when a person should know of it. */
  isToBeTold(stored: PublishedRecord | undefined, epoch: Epoch, now_ms: number): boolean {
    const own = this.#own.filter((record) => record.epoch === epoch);
    this.#own = stored === undefined ? [] : [stored];
    // Nothing attempted in this epoch yet: it is our predecessor's. A higher epoch: we are the older one, and leave.
    if (own.length === 0 || stored === undefined || stored.epoch > epoch) return false;
    if (own.some((record) => isSame(record, stored)) || now_ms - this.#told_ms < again_ms) return false;
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

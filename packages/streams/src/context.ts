// What operators know beside the value: time, key, randomness. One per task, reused for every record.
import type { RecordContext } from './dsl.ts';
import { InvalidRecord } from './errors.ts';
import { decodeUtf8 } from './format.ts';
import { finish32, hashText32, mix32 } from './hash.ts';
import type { InputRecord } from './runtime.ts';

const noRecord: InputRecord = {
  position: 0,
  timestamp_ms: 0,
  bytes: Buffer.alloc(0),
  keyStart: 0,
  keyEnd: -1,
  valueStart: 0,
  valueEnd: -1,
  headers: () => undefined,
};

/** The key of the value at hand, so that an operator can put another in its place and give it back. */
export type CurrentKey = string | null | undefined;

export class TaskContext implements RecordContext<string | null> {
  record: InputRecord = noRecord;
  now = 0;
  /** The key is that of the input record, byte for byte. */
  keyIsInput = true;
  /** Undefined: not decoded yet. */
  #key: CurrentKey = null;
  readonly #seed: number;
  #draws = 0;

  constructor(app: string, task: string) {
    this.#seed = hashText32(`${app}/${task}`, 0x2545f491);
  }

  /** @param hasKey whether the source declares keys. */
  begin(record: InputRecord, now: number, hasKey: boolean): void {
    this.record = record;
    this.now = now;
    this.keyIsInput = true;
    this.#key = hasKey ? undefined : null;
    this.#draws = 0;
  }

  get key(): string | null {
    if (this.#key === undefined) {
      const { bytes, keyStart, keyEnd } = this.record;
      this.#key = decodeUtf8(bytes, keyStart, keyEnd, 'key');
    }
    return this.#key;
  }

  /** Of a keyed operator: the source declares keys, and `groupByKey` has seen to it that they are the records' own. */
  get storeKey(): string {
    const { key } = this;
    if (key === null) throw new InvalidRecord('the key is null');
    return key;
  }

  /** Puts another key in place of the current one, which is returned for `resetKey`. */
  setKey(key: string | null): CurrentKey {
    const before = this.#key;
    this.#key = key;
    this.keyIsInput = false;
    return before;
  }

  resetKey(key: CurrentKey, keyIsInput: boolean): void {
    this.#key = key;
    this.keyIsInput = keyIsInput;
  }

  /** Derived from app, task, position and how often it was asked for this input: nothing to keep or restore. */
  random(): number {
    const { position } = this.record;
    let high = mix32(this.#seed, Math.floor(position / 0x100000000) | 0);
    high = mix32(mix32(high, position | 0), this.#draws);
    this.#draws += 1;
    const low = finish32(mix32(high, 0x5bd1e995));
    return ((finish32(high) >>> 5) * 0x4000000 + (low >>> 6)) / 0x20000000000000;
  }
}

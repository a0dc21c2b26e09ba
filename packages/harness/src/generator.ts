// The benchmark's inputs: the same bytes for every system. Shares no code with the runtime, on purpose.

export interface Drawn {
  readonly key: string;
  readonly amount: number;
}

/** xorshift32 from a fixed seed; a record draws a key, an amount and, unless in steady mode, six numbers of padding. */
export class Generator {
  #state = 0x9e3779b9 | 0;
  #index = 0;

  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }

  /** Key and amount only. */
  draw(): Drawn {
    const key = `k${(this.next() % 10_000).toString()}`;
    return { key, amount: this.next() % 100 };
  }

  /** The next whole record; `ts` grows by one each. */
  record(): Drawn & { readonly ts: number; readonly value: string } {
    const { key, amount } = this.draw();
    let pad = '';
    for (let part = 0; part < 6; part++) pad += this.next().toString(16).padStart(8, '0');
    const ts = 1_700_000_000_000 + this.#index++;
    return {
      key,
      amount,
      ts,
      value: `{"id":"${key}","amount":${amount.toString()},"ts":${ts.toString()},"pad":"${pad}"}`,
    };
  }
}

/** MurmurHash2 of an ASCII key, as Kafka's default partitioner has it. Signed. */
export function murmur2(key: string): number {
  const multiplier = 0x5bd1e995;
  const size = key.length;
  let hash = 0x9747b28c ^ size;
  let at = 0;
  for (; at + 4 <= size; at += 4) {
    let word =
      key.charCodeAt(at) |
      (key.charCodeAt(at + 1) << 8) |
      (key.charCodeAt(at + 2) << 16) |
      (key.charCodeAt(at + 3) << 24);
    word = Math.imul(word, multiplier);
    word = Math.imul(word ^ (word >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }
  if (at < size) {
    for (let left = size - at - 1; left >= 0; left--) hash ^= key.charCodeAt(at + left) << (8 * left);
    hash = Math.imul(hash, multiplier);
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}

export function partitionOf(key: string, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

// What identifies the content of a store: sums of hashes, so that a change costs one subtraction and one addition, and
// the order in which entries came does not matter. Two independent 32-bit lanes; MurmurHash3's step and the step of
// rustc's FxHash. Defined on plain data as a snapshot keeps it: a restored value hashes like the one it was made of.
import { finish32, mix32 } from './hash.ts';

/** Two signed 32-bit integers. */
export interface ContentSum {
  readonly high: number;
  readonly low: number;
}

/** Nothing at all. */
export const emptySum: ContentSum = { high: 0, low: 0 };

/** What lies deeper is not looked at; nor could a snapshot hold a value that contains itself. */
const deepest = 64;

/** What a thing begins with, so that a number is not taken for a text that looks like it. */
const kinds = {
  null: 0x2c1b3c6d,
  undefined: 0x297a2d39,
  true: 0x4cf5ad43,
  false: 0x2745937f,
  integer: 0x38b34ae5,
  double: 0x21f0aaad,
  notANumber: 0x735a2d97,
  bigint: 0x165667b1,
  text: 0x27d4eb2f,
  bytes: 0x5bd1e995,
  array: 0x3c6ef372,
  object: 0x1b873593,
  end: 0x7feb352d,
  other: 0x68e31da4,
} as const;

const double = new Float64Array(1);
const doubleWords = new Int32Array(double.buffer);

/** The step of the second lane. */
function mixLow(low: number, block: number): number {
  return Math.imul(((low << 5) | (low >>> 27)) ^ block, 0x9e3779b1);
}

/** Hashes one thing after another; reused, so that nothing is allocated for a value. */
export class ContentHash {
  #high = 0;
  #low = 0;

  get high(): number {
    return finish32(this.#high);
  }

  get low(): number {
    return finish32(this.#low);
  }

  begin(): this {
    this.#high = 0x3c6ef372;
    this.#low = 0x1b873593;
    return this;
  }

  add(value: unknown): this {
    this.#addValue(value, 0);
    return this;
  }

  addSum({ high, low }: ContentSum): this {
    this.#mix(high);
    this.#mix(low);
    return this;
  }

  #mix(block: number): void {
    this.#high = mix32(this.#high, block);
    this.#low = mixLow(this.#low, block);
  }

  #addValue(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'number':
        this.#addNumber(value);
        return;
      case 'string':
        this.#addText(value, kinds.text);
        return;
      case 'boolean':
        this.#mix(value ? kinds.true : kinds.false);
        return;
      case 'bigint':
        this.#addText(String(value), kinds.bigint);
        return;
      case 'undefined':
        this.#mix(kinds.undefined);
        return;
      case 'object':
        if (value === null) this.#mix(kinds.null);
        else this.#addObject(value, depth + 1);
        return;
      case 'function':
      case 'symbol':
        this.#mix(kinds.other);
    }
  }

  /** 0 and -0 are one: a snapshot does not tell them apart. */
  #addNumber(value: number): void {
    const integer = value | 0;
    if (integer === value) {
      this.#mix(kinds.integer ^ integer);
    } else if (Number.isNaN(value)) {
      this.#mix(kinds.notANumber);
    } else {
      double[0] = value;
      this.#mix(kinds.double ^ (doubleWords[0] ?? 0));
      this.#mix(doubleWords[1] ?? 0);
    }
  }

  #addText(text: string, kind: number): void {
    const { length } = text;
    let high = mix32(this.#high, kind ^ length);
    let low = mixLow(this.#low, kind ^ length);
    let at = 0;
    for (; at + 1 < length; at += 2) {
      const block = (text.charCodeAt(at) << 16) | text.charCodeAt(at + 1);
      high = mix32(high, block);
      low = mixLow(low, block);
    }
    if (at < length) {
      high = mix32(high, text.charCodeAt(at));
      low = mixLow(low, text.charCodeAt(at));
    }
    this.#high = high;
    this.#low = low;
  }

  #addObject(value: object, depth: number): void {
    if (depth > deepest) {
      this.#mix(kinds.other);
    } else if (Array.isArray(value)) {
      this.#mix(kinds.array ^ value.length);
      for (let at = 0; at < value.length; at += 1) this.#addValue(value[at], depth);
    } else if (ArrayBuffer.isView(value)) {
      this.#mix(kinds.bytes ^ value.byteLength);
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      for (const byte of bytes) this.#mix(byte);
    } else {
      this.#addFields(value as Readonly<Record<string, unknown>>, depth);
    }
  }

  /** In their order, which shows in what is made of them, and which a snapshot keeps; one that is undefined is none. */
  #addFields(value: Readonly<Record<string, unknown>>, depth: number): void {
    this.#mix(kinds.object);
    for (const name in value) {
      const part = value[name];
      if (part === undefined) continue;
      this.#addText(name, kinds.text);
      this.#addValue(part, depth);
    }
    this.#mix(kinds.end);
  }
}

/** For whoever hashes and reads the result before anybody else does. */
export const contentHash = new ContentHash();

/** Of the content of all stores, by their names and order; 16 hex digits. */
export function digestOf(stores: readonly { readonly name: string; digest(): ContentSum }[]): string {
  const sums = stores.map((store) => ({ name: store.name, sum: store.digest() }));
  contentHash.begin();
  for (const { name, sum } of sums) contentHash.add(name).addSum(sum);
  return hex32(contentHash.high) + hex32(contentHash.low);
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

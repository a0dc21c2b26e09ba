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

const kinds = {
  null: 1,
  undefined: 2,
  true: 3,
  false: 4,
  integer: 5,
  double: 6,
  notANumber: 7,
  bigint: 8,
  text: 9,
  bytes: 10,
  array: 11,
  object: 12,
  other: 13,
} as const;

const double = new Float64Array(1);
const doubleWords = new Int32Array(double.buffer);

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
    const low = this.#low;
    this.#high = mix32(this.#high, block);
    this.#low = Math.imul(((low << 5) | (low >>> 27)) ^ block, 0x9e3779b1);
  }

  #addValue(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'number':
        this.#addNumber(value);
        return;
      case 'string':
        this.#mix(kinds.text);
        this.#addText(value);
        return;
      case 'boolean':
        this.#mix(value ? kinds.true : kinds.false);
        return;
      case 'bigint':
        this.#mix(kinds.bigint);
        this.#addText(String(value));
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
      this.#mix(kinds.integer);
      this.#mix(integer);
    } else if (Number.isNaN(value)) {
      this.#mix(kinds.notANumber);
    } else {
      double[0] = value;
      this.#mix(kinds.double);
      this.#mix(doubleWords[0] ?? 0);
      this.#mix(doubleWords[1] ?? 0);
    }
  }

  #addText(text: string): void {
    const { length } = text;
    this.#mix(length);
    let at = 0;
    for (; at + 1 < length; at += 2) this.#mix((text.charCodeAt(at) << 16) | text.charCodeAt(at + 1));
    if (at < length) this.#mix(text.charCodeAt(at));
  }

  #addObject(value: object, depth: number): void {
    if (depth > deepest) {
      this.#mix(kinds.other);
    } else if (Array.isArray(value)) {
      this.#mix(kinds.array);
      this.#mix(value.length);
      for (let at = 0; at < value.length; at += 1) this.#addValue(value[at], depth);
    } else if (ArrayBuffer.isView(value)) {
      this.#mix(kinds.bytes);
      this.#mix(value.byteLength);
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      for (const byte of bytes) this.#mix(byte);
    } else {
      this.#addFields(value as Readonly<Record<string, unknown>>, depth);
    }
  }

  /** In whatever order they are; a field that is undefined is none. */
  #addFields(value: Readonly<Record<string, unknown>>, depth: number): void {
    const high = this.#high;
    const low = this.#low;
    let fields = 0;
    let highSum = 0;
    let lowSum = 0;
    for (const name in value) {
      const part = value[name];
      if (part === undefined || !Object.hasOwn(value, name)) continue;
      fields += 1;
      this.begin();
      this.#addText(name);
      this.#addValue(part, depth);
      highSum = (highSum + this.high) | 0;
      lowSum = (lowSum + this.low) | 0;
    }
    this.#high = high;
    this.#low = low;
    this.#mix(kinds.object);
    this.#mix(fields);
    this.#mix(highSum);
    this.#mix(lowSum);
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

// A rolling hash of outputs as they lie in a queue's segments: of what they are, in their order, with their positions.
import { recordLayout, type Segment } from './output-segment.ts';

/** Before the first output. */
export const noOutputs = 0;

/** MurmurHash3's step for one 32-bit block (Austin Appleby, public domain). */
function mix(hash: number, block: number): number {
  let k = Math.imul(block, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** What comes after `hash` with `count` more records, the outputs of the input at `position`; a signed 32-bit integer. */
export function hashOutputs(hash: number, first: Segment, offset: number, count: number, position: number): number {
  let segment = first;
  let at = offset;
  let h = mix(mix(hash, position | 0), Math.floor(position / 0x100000000));
  for (let left = count; left > 0; left--) {
    while (at === segment.used && segment.next !== undefined) {
      segment = segment.next;
      at = 0;
    }
    const { view } = segment;
    const end = at + view.getUint32(at + recordLayout.size, true);
    // The record's own place for the position is not filled in yet.
    for (let word = at; word < at + recordLayout.position; word += 4) h = mix(h, view.getInt32(word, true));
    let byte = at + recordLayout.body;
    for (; byte + 4 <= end; byte += 4) h = mix(h, view.getInt32(byte, true));
    for (; byte < end; byte++) h = mix(h, view.getUint8(byte));
    at = end;
  }
  return h;
}

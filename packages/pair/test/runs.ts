// How often a property is tried. `npm run mutation` tries fewer cases, and the same ones every time.
import type { Parameters } from 'fast-check';

export function runs(numRuns: number): Parameters<unknown> {
  const isRepeatable = process.env['TANDEM_REPEATABLE'] === '1';
  return isRepeatable ? { numRuns: Math.ceil(numRuns / 10), seed: 1, endOnFailure: true } : { numRuns };
}

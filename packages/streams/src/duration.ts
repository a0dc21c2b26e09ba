// Durations as text, the way people write them: '10 seconds'.
import { TopologyError } from './errors.ts';

type Unit = 'millisecond' | 'second' | 'minute' | 'hour' | 'day';

/** For instance `'1 minute'` or `'10 seconds'`. */
export type Duration = `${number} ${Unit}` | `${number} ${Unit}s`;

const unit_ms: ReadonlyMap<string, number> = new Map([
  ['millisecond', 1],
  ['second', 1000],
  ['minute', 60_000],
  ['hour', 3_600_000],
  ['day', 86_400_000],
]);

/** @throws TopologyError `bad-duration`. */
export function toMilliseconds(duration: string, what: string): number {
  const match = /^(\d{1,9}) ([a-z]+?)s?$/.exec(duration);
  const factor = unit_ms.get(match?.[2] ?? '');
  const result = Number(match?.[1]) * (factor ?? Number.NaN);
  if (!Number.isSafeInteger(result)) {
    throw new TopologyError(
      'bad-duration',
      `${what} '${duration}': write a whole number and a unit, like '10 seconds'`,
    );
  }
  return result;
}

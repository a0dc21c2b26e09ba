// Windows of event time.
import { type Duration, toMilliseconds } from './duration.ts';
import { TopologyError } from './errors.ts';

/** Windows of one size, end to end, aligned to the epoch of Unix: [n x size, (n + 1) x size). */
export interface TumblingWindows {
  readonly kind: 'tumbling';
  readonly size_ms: number;
  /** How long after its end a window still takes records. */
  readonly grace_ms: number;
}

/** @throws TopologyError `bad-duration`. */
export function tumbling(options: { readonly size: Duration; readonly grace?: Duration }): TumblingWindows {
  const size_ms = toMilliseconds(options.size, 'window size');
  if (size_ms === 0) throw new TopologyError('bad-duration', 'window size: must be longer than zero');
  return { kind: 'tumbling', size_ms, grace_ms: toMilliseconds(options.grace ?? '0 seconds', 'window grace') };
}

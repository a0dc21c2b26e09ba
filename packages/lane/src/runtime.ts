// What a lane is given from outside, so that tests and the simulator can run it with their own time and channel.
import type { Clock, LaneAdapter } from '@tandem/ports';
import type { Topology } from '@tandem/streams';
import type { FromLane } from './messages.ts';

/** The lane's end of the way to control. */
export interface LaneChannel {
  post(message: FromLane, transfer?: readonly ArrayBuffer[]): void;
}

export interface LaneRuntime {
  readonly clock: Clock;
  readonly channel: LaneChannel;
  /** By name, those that the lane's spec uses. */
  readonly adapters: readonly LaneAdapter[];
  /** Checks the app and makes it ready to run. @throws when the app is not sound. */
  readonly compile: () => Topology;
  /** Calls back once whatever I/O is due has had its turn. */
  defer(callback: () => void): void;
  /** In [0, 1), for jitter only. */
  random(): number;
  heap_bytes(): number;
}

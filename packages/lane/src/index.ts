export { bundleApp, type BundleOptions } from './bundle.ts';
export { describeApp } from './describe-app.ts';
export { type LaneHandlers, type LaneHost, type LaneOptions, startLane } from './lane-host.ts';
export { Lane } from './lane.ts';
export type { LaneChannel, LaneRuntime } from './runtime.ts';
export { systemClock } from './system-clock.ts';
export type * from './description.ts';
export type * from './messages.ts';
export { trimLagBounds_ms, type TrimLag } from './trim-lag.ts';

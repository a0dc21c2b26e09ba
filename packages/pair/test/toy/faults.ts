// What may go wrong in a toy world, and the check that everything is well again once it stops.
import fc from 'fast-check';
import { timing, type ToyWorld } from './world.ts';

const names = ['a', 'b', 'c'] as const;
const apps = ['orders', 'alerts'] as const;

export type Fault =
  | { readonly do: 'kill' | 'start' | 'pause' | 'resume' | 'expire' | 'switchover' | 'stop'; readonly node: string }
  | { readonly do: 'cut-link' | 'cut-coordinator' | 'unwatch'; readonly node: string; readonly isOn: boolean }
  | { readonly do: 'coordinator-down'; readonly isOn: boolean }
  | { readonly do: 'store-down'; readonly isOn: boolean }
  /** Its app fails, it hangs until another has taken over, and no view tells it so. */
  | { readonly do: 'hang-blind'; readonly node: string; readonly app: string }
  | { readonly do: 'fail-app'; readonly node: string; readonly app: string; readonly willRestart: boolean }
  | { readonly do: 'diverge'; readonly node: string; readonly app: string }
  | { readonly do: 'lose'; readonly share: number };

export interface Moment {
  readonly wait_ms: number;
  readonly inputs: number;
  readonly fault: Fault;
}

const node = fc.constantFrom(...names);

const fault: fc.Arbitrary<Fault> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('kill', 'start', 'pause', 'resume', 'resume', 'expire', 'switchover', 'stop'),
      node,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('cut-link', 'cut-coordinator', 'unwatch'),
      node,
      isOn: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('coordinator-down' as const, 'store-down' as const),
      isOn: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fail-app' as const),
      node,
      app: fc.constantFrom(...apps),
      willRestart: fc.constantFrom(true, true, true, false),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hang-blind' as const), node, app: fc.constantFrom(...apps) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('diverge' as const), node, app: fc.constantFrom(...apps) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lose' as const), share: fc.constantFrom(0, 0.1, 0.4) }) },
);

export const moments: fc.Arbitrary<readonly Moment[]> = fc.array(
  fc.record({
    wait_ms: fc.oneof(fc.nat(40), fc.nat(400), fc.nat(2500)),
    inputs: fc.constantFrom(0, 0, 3, 30, 100),
    fault,
  }),
  { maxLength: 25, size: 'max' },
);

export function strike(toy: ToyWorld, { wait_ms, inputs, fault: what }: Moment): void {
  toy.runFor(wait_ms);
  toy.addInputs(inputs);
  if (what.do === 'coordinator-down') toy.coordinator.isDown = what.isOn;
  else if (what.do === 'store-down') toy.storeIsDown = what.isOn;
  else if (what.do === 'lose') toy.loss = what.share;
  else strikeNode(toy, what);
}

function strikeNode(toy: ToyWorld, what: Extract<Fault, { node: string }>): void {
  if (!toy.options.nodes.includes(what.node)) return;
  const process = toy.processes.get(what.node);
  switch (what.do) {
    case 'start':
      if (process?.isAlive !== true) toy.start(what.node);
      return;
    case 'kill':
      if (process?.isAlive === true) process.kill();
      return;
    case 'pause':
      if (process?.isRunning === true) process.pause();
      return;
    case 'resume':
      if (process?.isPaused === true) process.resume();
      return;
    case 'expire':
      toy.coordinator.expire(what.node);
      return;
    case 'switchover':
      process?.dispatch({ type: 'switchover-requested', request: `at ${toy.now_ms}` });
      return;
    case 'stop':
      process?.dispatch({ type: 'stop-requested' });
      return;
    case 'cut-link':
      toy.links.setCut(what.node, what.isOn);
      return;
    case 'cut-coordinator':
      toy.coordinator.setCut(what.node, what.isOn);
      return;
    case 'unwatch':
      toy.coordinator.setWatched(what.node, !what.isOn);
      return;
    case 'hang-blind':
      if (process?.isRunning !== true) return;
      toy.coordinator.setWatched(what.node, false);
      process.failApp(what.app, true);
      process.pause();
      toy.runFor(2 * timing.sessionTimeout_ms);
      toy.addInputs(20);
      process.resume();
      return;
    case 'diverge':
      if (toy.options.apps.includes(what.app)) process?.diverge(what.app);
      return;
    case 'fail-app':
      process?.failApp(what.app, what.willRestart);
  }
}

/** Ends every fault; an app that was given up comes back with a restart of its node. */
function heal(toy: ToyWorld): void {
  toy.coordinator.isDown = false;
  toy.storeIsDown = false;
  toy.loss = 0;
  for (const name of toy.options.nodes) {
    toy.links.setCut(name, false);
    toy.coordinator.setCut(name, false);
    toy.coordinator.setWatched(name, true);
    const process = toy.processes.get(name);
    if (process?.isPaused === true) process.resume();
    const gaveUp = Object.values(process?.state.apps ?? {}).some((app) => app.condition === 'failed' && !app.described);
    if (process?.isAlive === true && (gaveUp || process.state.stopping)) process.kill();
    if (process?.isAlive !== true) toy.start(name);
  }
}

/** L1: when the faults end, one is active, the others are in sync, and everything that came in goes out. */
export function expectRecovery(toy: ToyWorld): void {
  toy.runFor(500);
  heal(toy);
  toy.addInputs(10);
  toy.runUntil(
    'L1: everything is published, one active, the others in sync',
    () => {
      const processes = toy.options.nodes.map((name) => toy.process(name));
      return (
        [...toy.logs].every(([app, size]) => toy.sink(app).published === size) &&
        processes.filter(({ state }) => state.role === 'active').length === 1 &&
        processes.filter(({ state }) => state.role === 'passive').length === processes.length - 1 &&
        processes.every((process) => process.appsInSync().length === toy.options.apps.length)
      );
    },
    20 * timing.sessionTimeout_ms,
  );
}

export function runMoments(toy: ToyWorld, happenings: readonly Moment[]): void {
  toy.addInputs(10);
  for (const name of toy.options.nodes) toy.start(name);
  for (const moment of happenings) strike(toy, moment);
  expectRecovery(toy);
}

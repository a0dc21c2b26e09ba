// Carries a schedule out: each fault at its time, as soon as what it holds is free, undone after its duration.
import { until } from '@tandem/harness';
import type { Fault, Resource, Undo, World } from './faults/fault.ts';
import type { Planned } from './schedule.ts';

/** A fault that was inflicted. */
export interface Injection {
  readonly fault: Fault;
  readonly target: string;
  /** On the clock that arrivals are told by: its beginning, and when it was undone. */
  readonly at_ms: number;
  readonly over_ms: number;
  /** On the wall clock, as in the nodes' logs: while it was in force, what it broke being started again included. */
  readonly from_ms: number;
  readonly until_ms: number;
}

export interface InjectOptions {
  readonly length_ms: number;
  readonly say: (line: string) => void;
  /** Undoes what is in force and begins nothing more. */
  readonly signal: AbortSignal;
}

/** @throws Error when a fault could not be undone: nothing can be said of the run then */
export async function carryOut(
  schedule: readonly Planned[],
  world: World,
  options: InjectOptions,
): Promise<readonly Injection[]> {
  const { length_ms, say, signal } = options;
  const start_ms = performance.now();
  const sinceStart_ms = () => performance.now() - start_ms;
  const done: Injection[] = [];
  const busy = new Map<Resource, Promise<void>>();
  const all: Promise<void>[] = [];
  const failures: unknown[] = [];
  const skip = (planned: Planned, why: string) => {
    say(`${at(sinceStart_ms())}  NOT INJECTED, not counted: ${nameOf(planned)}: ${why}`);
  };

  const inflict = async (planned: Planned): Promise<void> => {
    const { fault, target, duration_ms } = planned;
    if (signal.aborted || sinceStart_ms() + duration_ms > length_ms) {
      skip(planned, 'what it needs was not free in time');
      return;
    }
    const [at_ms, from_ms] = [performance.now(), Date.now()];
    let undo: Undo;
    try {
      undo = await fault.inject(world, target);
    } catch (thrown) {
      skip(planned, thrown instanceof Error ? thrown.message : String(thrown));
      return;
    }
    say(`${at(at_ms - start_ms)}  ${nameOf(planned)} for ${duration_ms.toString()} ms`);
    await until({ limit_ms: duration_ms, signal }, () => undefined);
    await undo();
    done.push({ fault, target, at_ms, over_ms: performance.now(), from_ms, until_ms: Date.now() });
    say(`${at(sinceStart_ms())}  over: ${nameOf(planned)}`);
  };

  for (const planned of schedule) {
    await until({ limit_ms: planned.at_ms - sinceStart_ms(), signal }, () => undefined);
    if (signal.aborted || failures.length > 0) break;
    const held = planned.fault.holds(planned.target);
    const before = Promise.all(held.map((resource) => busy.get(resource) ?? Promise.resolve()));
    const running = before
      .then(() => inflict(planned))
      .catch((thrown: unknown) => {
        failures.push(new Error(`${nameOf(planned)} could not be undone: ${String(thrown)}`, { cause: thrown }));
      });
    for (const resource of held) busy.set(resource, running);
    all.push(running);
  }
  await Promise.all(all);
  if (failures.length === 0) await until({ limit_ms: length_ms - sinceStart_ms(), signal }, () => undefined);
  const [failure] = failures;
  if (failure !== undefined) throw failure as Error;
  return done.sort((a, b) => a.at_ms - b.at_ms);
}

function nameOf({ fault, target }: Planned): string {
  return `${fault.name} (${target})`;
}

function at(time_ms: number): string {
  return `${(time_ms / 1000).toFixed(1).padStart(7)} s`;
}

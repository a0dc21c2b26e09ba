// S4: restores a revision that was kept, replays the log, and compares what comes out with what has to.
//
// A node of its own, with nothing wrong, that finds one revision, the log, and the sinks as they were when the revision
// was kept: what was published by then and what the revision holds have to make a whole.
import type { App } from '@tandem/streams';
import { VirtualTime } from '../virtual-time.ts';
import { unfencedSinks } from './apps.ts';
import { Checker, type Violation } from './checker.ts';
import { History } from './history.ts';
import { goodWay } from './lines.ts';
import { Net } from './network.ts';
import { serviceClock, SimulatedNode } from './node.ts';
import { Random } from './random.ts';
import type { Reference } from './reference.ts';
import { tasksOf, type Scenario } from './scenario.ts';
import { Services, type PublishedPositions } from './services.ts';

export interface Revision {
  readonly app: App;
  readonly revision: number;
  /** When it was kept. */
  readonly published: PublishedPositions;
}

/** A node that has nothing against it restores and catches up within this time. */
const limit_ms = 5_000;

/** What is wrong with the revision; undefined when nothing is. */
export async function examine(
  { app, revision, published }: Revision,
  before: Services,
  scenario: Scenario,
  reference: Reference,
): Promise<Violation | undefined> {
  const time = new VirtualTime();
  const history = new History(time);
  const clock = serviceClock(time);
  const kept = { log: before.log.copy(clock), revisions: before.revisions.only(app.name, revision) };
  const services = new Services(scenario, clock, kept);
  services.begin(app.name, published, before);
  const checker = new Checker(history, new Map([[app.name, reference]]), scenario.queueLimit_bytes);
  const isUnfenced = (sink: string): boolean => scenario.withUnfenced && unfencedSinks.has(sink);
  for (const [positions, sinks] of [
    [published.fenced, reference.sinks.filter((sink) => !isUnfenced(sink))],
    [published.unfenced, reference.sinks.filter(isUnfenced)],
  ] as const) {
    for (const [task, position] of positions) checker.beginAt(app.name, task, sinks, position);
  }
  services.sinks.onWritten = (written) => {
    checker.onWritten(written);
  };
  services.endpoint.onWritten = (written) => {
    checker.onSent(written);
  };
  const node = new SimulatedNode(
    'a',
    {
      time,
      scenario: { ...scenario, persistence: { interval_ms: 1e9, keep: 1 } },
      history,
      net: new Net(new Map([['a', goodWay(0.03)]])),
      services,
      apps: () => [app],
      onHolding: checker.onHolding.bind(checker),
      onDiverged: () => undefined,
      onFromLane: () => undefined,
      onCrash: (_node, error) => {
        checker.violate('crash', error.stack ?? error.message);
      },
    },
    1,
    new Random(`examination ${String(scenario.seed)}`),
  );
  node.start();
  const tasks = tasksOf(scenario);
  const left = (): string | undefined => checker.missing(app.name, tasks);
  try {
    await time.until('all outputs', () => checker.violations.length > 0 || left() === undefined, limit_ms);
  } catch {
    checker.violate('S9', left() ?? '');
  }
  const [first] = checker.violations;
  if (first === undefined) return undefined;
  const what = `revision ${String(revision)} of ${app.name} restored and replayed: ${first.rule}: ${first.what}`;
  return { rule: 'S4', what: `${what}\n${history.text}` };
}

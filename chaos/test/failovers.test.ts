// Which role changes of the active are false: those that no fault explains.
import { countFailovers, roleChangesIn, type RoleChange } from '../src/failovers.ts';
import { faultKinds } from '../src/faults/kinds.ts';
import type { Injection } from '../src/injector.ts';
import type { ProcessRun } from '../src/nodes.ts';

function promoted(node: string, at_ms: number, epoch: number): RoleChange {
  return { node, at_ms, from: 'passive', role: 'promoting', epoch, why: 'as the test says' };
}

function run(node: string, from_ms: number, until_ms?: number): ProcessRun {
  return { node, from_ms, until_ms, how: until_ms === undefined ? undefined : 'SIGKILL', joined: true };
}

function injected(name: string, from_ms: number, until_ms: number, target = 'process'): Injection {
  const fault = faultKinds.find((kind) => kind.name === name);
  if (fault === undefined) throw new Error(`there is no fault ${name}`);
  return { fault, target, at_ms: from_ms, over_ms: until_ms, from_ms, until_ms };
}

const bothRun = [run('a', 0), run('b', 0)];
const swap = [promoted('a', 1000, 1), promoted('b', 20_000, 2)];

function falseOnes(injections: readonly Injection[], changes = swap, runs: readonly ProcessRun[] = bothRun) {
  return countFailovers(changes, runs, injections, 'kafka').falseOnes.length;
}

it('counts nothing for the first promotion', () => {
  expect(countFailovers(swap.slice(0, 1), bothRun, [], 'kafka')).toEqual({ failovers: 0, falseOnes: [] });
});

it('counts a failover that nothing explains as false, and says which', () => {
  const { failovers, falseOnes } = countFailovers(swap, bothRun, [], 'kafka');
  expect(failovers).toBe(1);
  expect(falseOnes).toEqual([expect.stringContaining('a -> b, epoch 2')]);
});

it.each([
  ['kill-active', 'process'],
  ['kill-both', 'process'],
  ['stop-active', 'process'],
  ['term-active', 'process'],
  ['link-cut', 'both ways'],
  ['zookeeper-kill', 'server'],
  ['reset', 'active to zookeeper'],
  ['connection-cut', 'active to zookeeper'],
])('takes %s (%s) for an explanation while it is in force and shortly after', (name, target) => {
  expect(falseOnes([injected(name, 19_000, 21_000, target)])).toBe(0);
  expect(falseOnes([injected(name, 14_000, 16_000, target)])).toBe(0);
  expect(falseOnes([injected(name, 10_000, 14_000, target)])).toBe(1);
  expect(falseOnes([injected(name, 20_500, 21_000, target)])).toBe(1);
});

it.each([
  ['kill-passive', 'process'],
  ['stop-passive', 'process'],
  ['kafka-kill', 'server'],
  ['postgres-kill', 'server'],
  ['block-sink', 'table'],
  ['disk-full', 'table'],
  ['burst', 'inputs'],
  ['reset', 'active to kafka'],
  ['connection-cut', 'passive to zookeeper'],
])('does not take %s (%s) for one', (name, target) => {
  expect(falseOnes([injected(name, 19_000, 21_000, target)])).toBe(1);
});

it('takes PostgreSQL for an explanation where it is the coordinator', () => {
  const injections = [injected('postgres-kill', 19_000, 21_000, 'server')];
  expect(countFailovers(swap, bothRun, injections, 'postgres').falseOnes).toEqual([]);
});

it('explains a late promotion by what took the active before it', () => {
  const runs = [run('a', 0, 10_100), run('b', 0)];
  expect(falseOnes([injected('kill-active', 10_000, 11_000)], swap, runs)).toBe(0);
});

it('counts another run of the same node as a failover, and the same run as none, but false', () => {
  const changes = [promoted('a', 1000, 1), promoted('a', 20_000, 2)];
  const again = [run('a', 0, 18_000), run('a', 18_500)];
  expect(countFailovers(changes, again, [injected('kill-both', 17_990, 19_000)], 'kafka')).toEqual({
    failovers: 1,
    falseOnes: [],
  });
  expect(countFailovers(changes, bothRun, [], 'kafka')).toMatchObject({ failovers: 0, falseOnes: [expect.anything()] });
});

it("reads role changes from a node's log and passes over what is none", () => {
  const log = [
    '{"level":"info","time":"2026-01-01T00:00:01.000Z","role":"promoting","from":"passive","epoch":2,"why":"link closed","msg":"role changed"}',
    '{"level":"info","time":"2026-01-01T00:00:02.000Z","msg":"publishing"}',
    'Segmentation fault',
    '',
  ].join('\n');
  expect(roleChangesIn('b', log)).toEqual([
    {
      node: 'b',
      at_ms: Date.UTC(2026, 0, 1, 0, 0, 1),
      from: 'passive',
      role: 'promoting',
      epoch: 2,
      why: 'link closed',
    },
  ]);
});

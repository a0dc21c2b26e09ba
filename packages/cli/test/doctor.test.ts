// What the doctor makes of clocks, versions and sessions.
import { judgeSession } from '../src/adapters/zookeeper.ts';
import { compareClocks, compareVersions, type NodeClock } from '../src/doctor/nodes.ts';

const clock = (node: string, ahead_ms: number, doubt_ms = 5): NodeClock => ({
  node,
  version: '20.20.2',
  ahead_ms,
  doubt_ms,
});

it('clocks within what a question takes, or nearly, are the same', () => {
  expect(compareClocks([])).toEqual([]);
  expect(compareClocks([clock('a', 70_000)])).toEqual([]);
  expect(compareClocks([clock('a', 0), clock('b', 400)])).toEqual([]);
  // As far apart as a slow answer makes them look.
  expect(compareClocks([clock('a', 0, 2000), clock('b', 2400)])).toEqual([]);
});

it('clocks that differ are named, with by how much', () => {
  const [finding, ...others] = compareClocks([clock('a', -1000), clock('b', 1500)]);
  expect(others).toEqual([]);
  expect(finding).toMatchObject({ level: 'warning', what: 'the clocks of a and b differ by 2500ms' });
});

it('nodes on different versions of the runtime are named', () => {
  expect(compareVersions([clock('a', 0), clock('b', 0)])).toEqual([]);
  const [finding] = compareVersions([clock('a', 0), { ...clock('b', 0), version: '22.1.0' }]);
  expect(finding).toMatchObject({ level: 'warning', what: 'a runs on Node.js 20.20.2, b on 22.1.0' });
});

it('a session that lasts as long as was asked for is no matter', () => {
  expect(judgeSession(1000, 1000)).toEqual([]);
});

it.each([
  [
    1000,
    4000,
    'sessions last 4s, and 1s was asked for (coordinator.zookeeper.sessionTimeout)',
    'minSessionTimeout=1000',
  ],
  [
    60_000,
    40_000,
    'sessions last 40s, and 1m was asked for (coordinator.zookeeper.sessionTimeout)',
    'maxSessionTimeout=60000',
  ],
])('a session of ZooKeeper that was to last %i ms and lasts %i', (asked_ms, given_ms, what, todo) => {
  expect(judgeSession(asked_ms, given_ms)).toEqual([
    expect.objectContaining({ level: 'warning', what, todo: expect.stringContaining(todo) as string }),
  ]);
});

import { stackNames, type Fault } from '../src/faults/fault.ts';
import { faultKinds } from '../src/faults/kinds.ts';
import { describePlanned, makeSchedule, type Planned } from '../src/schedule.ts';

const minute_ms = 60_000;

function plan(seed: number, minutes: number, kinds: readonly Fault[] = faultKinds): readonly Planned[] {
  return makeSchedule({ seed, length_ms: minutes * minute_ms, stack: 'kafka', kinds });
}

function lines(schedule: readonly Planned[]): readonly string[] {
  return schedule.map(describePlanned);
}

it('is the same for the same seed, and another for another', () => {
  expect(lines(plan(7, 10))).toEqual(lines(plan(7, 10)));
  expect(lines(plan(7, 10))).not.toEqual(lines(plan(8, 10)));
});

it('begins a longer run as it does a shorter one', () => {
  const short = lines(plan(7, 3));
  expect(short.length).toBeGreaterThan(20);
  // Of the last ones some only fit into the longer one.
  const long = lines(plan(7, 10));
  expect(long.slice(0, short.length)).toEqual(short);
});

it.each(stackNames)('lets every kind that stack %s has occur, with every target in the long run', (stack) => {
  const schedule = makeSchedule({ seed: 1, length_ms: 24 * 60 * minute_ms, stack, kinds: faultKinds });
  for (const kind of faultKinds) {
    const found = new Set(schedule.filter(({ fault }) => fault === kind).map(({ target }) => target));
    expect([...found].sort()).toEqual([...kind.targets(stack)].sort());
  }
});

it('lets every kind occur within five minutes, whatever the seed', () => {
  for (let seed = 0; seed < 50; seed++) {
    const names = new Set(plan(seed, 5).map(({ fault }) => fault.name));
    expect(names.size).toBe(faultKinds.length);
  }
});

it('keeps to the kinds that were asked for', () => {
  const kinds = faultKinds.filter(({ name }) => name === 'kill-active' || name === 'burst');
  const names = new Set(plan(3, 10, kinds).map(({ fault }) => fault.name));
  expect([...names].sort()).toEqual(['burst', 'kill-active']);
});

it('never has two faults hold the same thing at once, and ends before the run does', () => {
  const schedule = plan(11, 60);
  let last_ms = 0;
  const until_ms = new Map<string, number>();
  for (const { fault, target, at_ms, duration_ms } of schedule) {
    expect(at_ms).toBeGreaterThanOrEqual(last_ms);
    last_ms = at_ms;
    for (const resource of fault.holds(target)) {
      expect(at_ms).toBeGreaterThanOrEqual(until_ms.get(resource) ?? 0);
      until_ms.set(resource, at_ms + duration_ms);
    }
    expect(at_ms + duration_ms).toBeLessThanOrEqual(60 * minute_ms);
  }
});

it('refuses kinds that the stack has nothing for', () => {
  const kinds = faultKinds.filter(({ name }) => name === 'kafka-kill');
  expect(() => makeSchedule({ seed: 1, length_ms: minute_ms, stack: 'postgres', kinds })).toThrow('stack postgres');
});

it('has a name of its own for each kind', () => {
  expect(new Set(faultKinds.map(({ name }) => name)).size).toBe(faultKinds.length);
});

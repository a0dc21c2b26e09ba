// Digests of two nodes: compared at the same position and nowhere else, a difference told once, and a state that could
// not be compared asked for once more.
import { systemClock, type TaskDigest } from '@tandem/lane';
import type { Clock } from '@tandem/ports';
import { AppDigests, digestsKept, type Divergence } from '../src/app-digests.ts';

const grace_ms = 1_000;

function digest(position: number, change: Partial<TaskDigest> = {}): TaskDigest {
  const state = position.toString(16).padStart(16, '0');
  return { task: 'in/0', position: String(position), state, outputs: '00000000', since: '0', ...change };
}

const range = (from: number, to: number): TaskDigest[] =>
  Array.from({ length: to - from }, (_, index) => digest(from + index));

/** Time that stands still until it is told to pass. */
class TestClock implements Clock {
  #now_ms = 0;
  #timers: { readonly at_ms: number; readonly callback: () => void }[] = [];

  now_ms(): number {
    return this.#now_ms;
  }

  wall_ms(): number {
    return systemClock.wall_ms();
  }

  after(delay_ms: number, callback: () => void): { cancel(): void } {
    const timer = { at_ms: this.#now_ms + delay_ms, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  pass(duration_ms: number): void {
    const until_ms = this.#now_ms + duration_ms;
    for (;;) {
      const [next] = this.#timers.toSorted((a, b) => a.at_ms - b.at_ms);
      if (next === undefined || next.at_ms > until_ms) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now_ms = next.at_ms;
      next.callback();
    }
    this.#now_ms = until_ms;
  }
}

function setUp(tasks: readonly string[] = ['in/0']) {
  const clock = new TestClock();
  const diverged: Divergence[] = [];
  const unverified: (readonly string[])[] = [];
  const here = { isToBeCompared: true, hearsActive: true };
  const digests = new AppDigests({
    clock,
    grace_ms,
    tasks: () => tasks,
    isToBeCompared: () => here.isToBeCompared,
    hearsActive: () => here.hearsActive,
    onDiverged: (divergence) => {
      diverged.push(divergence);
      here.isToBeCompared = false;
    },
    onUnverified: (which) => {
      unverified.push(which);
      here.isToBeCompared = false;
    },
  });
  digests.listenTo('a1');
  digests.restored();
  const restore = (): void => {
    digests.forgetOwn();
    here.isToBeCompared = true;
    digests.restored();
  };
  return { digests, clock, diverged, unverified, here, restore };
}

describe('digests of both nodes', () => {
  it('are compared at the same position, whoever is ahead', () => {
    const { digests, diverged } = setUp();
    digests.addActive(range(0, 10));
    digests.addOwn(range(5, 20));
    digests.addActive(range(10, 15));
    expect(digests.counts).toMatchObject({ taken: 15, compared: 10, divergences: 0 });
    expect(diverged).toEqual([]);
  });

  it('are not compared at different positions, nor those of different tasks', () => {
    const { digests, diverged } = setUp();
    digests.addActive([digest(10), digest(20, { task: 'in/1' })]);
    digests.addOwn([digest(20), digest(30)]);
    expect(digests.counts.compared).toBe(0);
    expect(diverged).toEqual([]);
  });

  it('that differ are told once, with what differs and where', () => {
    const { digests, diverged } = setUp();
    digests.addActive([digest(10), digest(20), digest(30)]);
    digests.addOwn([digest(10), digest(20, { state: 'ffffffffffffffff' }), digest(30, { outputs: '00000001' })]);
    expect(diverged).toEqual([
      { task: 'in/0', position: '20', what: 'state', own: 'ffffffffffffffff', active: digest(20).state },
    ]);
    digests.addActive([digest(40, { outputs: '00000001' })]);
    digests.addOwn([digest(40)]);
    expect(diverged).toHaveLength(1);
  });

  it('may differ in what they know of the outputs, if they know them from different positions on', () => {
    const { digests, diverged } = setUp();
    digests.addActive([digest(10, { outputs: '00000001', since: '5' }), digest(20, { outputs: '00000001' })]);
    digests.addOwn([digest(10)]);
    expect(diverged).toEqual([]);
    digests.addOwn([digest(20)]);
    expect(diverged).toMatchObject([{ what: 'outputs', position: '20' }]);
  });

  it('of what has been replaced say nothing any more', () => {
    const { digests, diverged, restore } = setUp();
    digests.addOwn([digest(10, { state: 'ffffffffffffffff' })]);
    restore();
    digests.addActive([digest(10)]);
    digests.addOwn([digest(20)]);
    digests.addActive([digest(20)]);
    expect(diverged).toEqual([]);
    expect(digests.counts.compared).toBe(1);
  });

  it('that came while the state was being put in place are compared once it is', () => {
    const { digests, diverged, here, restore } = setUp();
    here.isToBeCompared = false;
    restore();
    here.isToBeCompared = false;
    digests.addActive([digest(10)]);
    digests.addOwn([digest(10, { state: 'ffffffffffffffff' })]);
    expect(diverged).toEqual([]);
    here.isToBeCompared = true;
    digests.restored();
    expect(diverged).toMatchObject([{ position: '10' }]);
  });

  it('of another active are not mixed with those of the one before', () => {
    const { digests, diverged } = setUp();
    digests.addActive([digest(10, { state: 'ffffffffffffffff' })]);
    digests.listenTo('b1');
    digests.addOwn([digest(10)]);
    expect(diverged).toEqual([]);
    digests.addActive([digest(10)]);
    digests.listenTo('b1');
    expect(digests.counts.compared).toBe(1);
  });

  it('are kept for a while only, the newest of each task', () => {
    const { digests } = setUp();
    digests.addOwn(range(0, 200));
    digests.addOwn([digest(7, { task: 'in/1' })]);
    expect(digests.kept.map(({ position }) => Number(position))).toEqual([
      ...Array.from({ length: digestsKept }, (_, index) => 200 - digestsKept + index),
      7,
    ]);
  });
});

describe('a state', () => {
  it('is verified once each of its tasks has been found equal', () => {
    const { digests, clock, unverified } = setUp(['in/0', 'in/1']);
    digests.addActive([digest(10), digest(10, { task: 'in/1' })]);
    digests.addOwn([digest(10)]);
    clock.pass(grace_ms);
    expect(digests.counts.verified).toBe(false);
    digests.addOwn([digest(10, { task: 'in/1' })]);
    clock.pass(grace_ms);
    expect(digests.counts.verified).toBe(true);
    clock.pass(100 * grace_ms);
    expect(unverified).toEqual([]);
  });

  it('that no common position was found for is asked for once more, and only once', () => {
    const { digests, clock, unverified, restore } = setUp(['in/0', 'in/1']);
    digests.addActive([digest(10), digest(10, { task: 'in/1' })]);
    digests.addOwn([digest(10), digest(11, { task: 'in/1' })]);
    clock.pass(2 * grace_ms);
    expect(unverified).toEqual([]);
    clock.pass(grace_ms);
    expect(unverified).toEqual([['in/1']]);
    restore();
    clock.pass(100 * grace_ms);
    expect(unverified).toHaveLength(1);
    digests.startAnew();
    restore();
    clock.pass(3 * grace_ms);
    expect(unverified).toHaveLength(2);
  });

  it('is compared for good, also after that', () => {
    const { digests, clock, diverged, restore } = setUp();
    clock.pass(3 * grace_ms);
    restore();
    clock.pass(100 * grace_ms);
    digests.addActive([digest(10)]);
    digests.addOwn([digest(10, { state: 'ffffffffffffffff' })]);
    expect(diverged).toHaveLength(1);
  });

  it('has the time to be verified while the active is heard: without it nobody can tell', () => {
    const { clock, unverified, here } = setUp();
    here.hearsActive = false;
    clock.pass(100 * grace_ms);
    expect(unverified).toEqual([]);
    here.hearsActive = true;
    clock.pass(grace_ms);
    here.hearsActive = false;
    clock.pass(grace_ms);
    here.hearsActive = true;
    clock.pass(2 * grace_ms);
    expect(unverified).toEqual([]);
    clock.pass(grace_ms);
    expect(unverified).toHaveLength(1);
  });

  it('is left alone where it is not compared: on the active', () => {
    const { digests, clock, diverged, unverified, here } = setUp();
    here.isToBeCompared = false;
    digests.addActive([digest(10)]);
    digests.addOwn([digest(10, { state: 'ffffffffffffffff' })]);
    clock.pass(100 * grace_ms);
    expect([diverged, unverified]).toEqual([[], []]);
  });
});

// Opening a publisher when the way there is not smooth: connections that hang, answers that come late.
import { runningOutputs } from './support/apps.ts';
import type { World } from './support/memory-lane.ts';
import { genesis, upTo, worldsOfThisFile } from './support/worlds.ts';

const world = worldsOfThisFile();

/** Limits of seconds pass in milliseconds. */
const haste = 40;

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

async function untilCalled(made: World, call: string, times: number): Promise<void> {
  const { holds } = made.system('memory');
  const deadline_ms = Date.now() + 10_000;
  while (holds.count(call) < times) {
    if (Date.now() > deadline_ms) throw new Error(`not ${call} ${times} times: ${holds.calls.join(' ')}`);
    await turns(1);
  }
}

describe('a connection that hangs', () => {
  it('is given up by a step-down, and the next opening has another; what it sends late counts for nothing', async () => {
    const made = world({ haste });
    const { holds } = made.system('memory');
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    holds.hold('publish');
    made.feed(0, upTo(30));
    await untilCalled(made, 'publish', 1);
    await lane.stepDown();
    expect((await lane.status()).troubles).toEqual([]);
    holds.release('publish');
    await lane.goLive(2);
    await lane.publishedUpTo(30);
    expect(lane.publishers).toHaveLength(2);
    expect(made.written('out')).toEqual(runningOutputs(upTo(30)));
  });

  it('does not hold up an opening by a newer epoch', async () => {
    const made = world({ haste });
    const { holds } = made.system('memory');
    const lane = made.start();
    await lane.startAt();
    holds.hold('open');
    lane.open(1, genesis);
    await untilCalled(made, 'open', 1);
    lane.open(2, genesis);
    await untilCalled(made, 'close', 1);
    holds.release('open');
    await lane.heard('verify-please', ({ epoch }) => epoch === 2);
    lane.verify(2);
    made.feed(0, upTo(10));
    await lane.publishedUpTo(10);
    expect(lane.all('verify-please').map(({ epoch }) => epoch)).toEqual([2]);
    expect(made.written('out')).toEqual(runningOutputs(upTo(10)));
  });
});

describe('an answer of control', () => {
  it('to a question from before a step-down is not taken for the next opening', async () => {
    const made = world();
    made.feed(0, upTo(10));
    const lane = made.start();
    await lane.startAt();
    await lane.caughtUp();
    lane.open(1, genesis);
    await lane.heard('verify-please');
    await lane.stepDown();
    lane.open(1, genesis);
    await lane.until(() => lane.all('verify-please').length === 2, 'a second question');
    lane.verify(1);
    await lane.until(() => lane.all('verify-please').length === 3, 'the second question once more');
    await turns(20);
    expect(lane.all('live')).toEqual([]);
    expect(made.written('out')).toEqual([]);
    lane.verify(1);
    await lane.heard('live');
    expect(made.written('out')).toEqual(runningOutputs(upTo(10)));
  });

  it('is asked for, and the publisher opened again, when it was fenced by nobody knows whom', async () => {
    const made = world();
    made.feed(0, upTo(10));
    made.system('memory').holds.openOutcomes.push({ outcome: 'fenced', byEpoch: undefined });
    const lane = made.start();
    await lane.startAt();
    lane.open(3, genesis);
    expect(await lane.heard('verify-please')).toMatchObject({ epoch: 3, storedEpoch: undefined });
    lane.verify(3);
    await lane.until(() => lane.all('verify-please').length === 2, 'a second question');
    expect(lane.all('verify-please')[1]).toMatchObject({ epoch: 3, storedEpoch: 3 });
    expect(made.system('memory').holds.count('open')).toBe(1);
    lane.verify(3);
    await lane.until(() => lane.all('verify-please').length === 3, 'a third question');
    expect(lane.all('superseded')).toEqual([]);
    expect(made.written('out')).toEqual([]);
    lane.verify(3);
    await lane.heard('live');
    expect(made.written('out')).toEqual(runningOutputs(upTo(10)));
  });
});

describe('a publisher that was fenced', () => {
  it('does not open again when its epoch is over: it would fence its successor', async () => {
    const made = world();
    const { holds } = made.system('memory');
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    // The successor's fence knows no epochs: nothing in its answer says that somebody newer has opened.
    made.openElsewhere(1);
    made.feed(0, upTo(10));
    await lane.until(() => lane.all('verify-please').length === 2, 'a question before it opens again');
    await turns(20);
    expect(holds.count('open')).toBe(1);
    await lane.stepDown();
    expect(holds.count('open')).toBe(1);
    expect(made.written('out')).toEqual([]);
  });
});

describe('a closed publisher', () => {
  it('is prepared again and again, never while it is open', async () => {
    const made = world({ haste: 500 });
    const { holds } = made.system('memory');
    const lane = made.start();
    await lane.startAt();
    await untilCalled(made, 'prepare', 3);
    await lane.goLive(1, genesis);
    const before = holds.count('prepare');
    made.feed(0, upTo(200));
    await lane.publishedUpTo(200);
    // A few intervals of ten milliseconds go by.
    await new Promise<void>((resolve) => made.clock.after(20_000, resolve));
    expect(holds.count('prepare')).toBe(before);
    await lane.stepDown();
    await untilCalled(made, 'prepare', before + 2);
  });

  it('is prepared at once when it has stepped down: it may be wanted again the next moment', async () => {
    const made = world();
    const { holds } = made.system('memory');
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    const before = holds.count('prepare');
    await lane.stepDown();
    await turns(20);
    expect(holds.count('prepare')).toBe(before + 1);
  });

  it('is prepared again after that failed, and is opened all the same', async () => {
    const made = world({ haste: 500 });
    made.system('memory').holds.failsToPrepare = true;
    const lane = made.start();
    await lane.startAt();
    await untilCalled(made, 'prepare', 3);
    made.feed(0, upTo(10));
    await lane.goLive(1, genesis);
    await lane.publishedUpTo(10);
    expect(made.written('out')).toEqual(runningOutputs(upTo(10)));
  });

  it('is opened without waiting for a preparation that hangs', async () => {
    const made = world();
    made.system('memory').holds.hold('prepare');
    const lane = made.start();
    await lane.startAt();
    await untilCalled(made, 'prepare', 1);
    made.feed(0, upTo(10));
    await lane.goLive(1, genesis);
    await lane.publishedUpTo(10);
    expect(made.system('memory').holds.calls).not.toContain('close');
    expect(made.written('out')).toEqual(runningOutputs(upTo(10)));
  });

  it('is prepared on another connection when preparing hangs', async () => {
    const made = world({ haste: 500 });
    const { holds } = made.system('memory');
    holds.hold('prepare');
    const lane = made.start();
    await lane.startAt();
    await untilCalled(made, 'prepare', 3);
    expect(lane.publishers.length).toBeGreaterThanOrEqual(3);
    await lane.goLive(1, genesis);
  });
});

// Several publishers in one lane, each opened, verified, published and in trouble by itself (S10).
import { asEpoch } from '@tandem/pair';
import { forked } from './support/apps.ts';
import { genesis, upTo, worldsOfThisFile } from './support/worlds.ts';

const world = worldsOfThisFile();
const fork = { app: forked, publishers: { a: ['left'], b: ['right'] } };
const texts = (values: readonly number[]): string[] => values.map(String);

describe('an app with two publishers', () => {
  it('goes live at the one that has been verified, and publishes nothing at the other', async () => {
    const made = world(fork);
    made.feed(0, upTo(20));
    const lane = made.start();
    await lane.startAt();
    lane.open(1, genesis);
    for (const name of ['a', 'b']) await lane.heard('verify-please', ({ publisher }) => publisher === name);
    lane.verify(1, 'b');
    await lane.heard('live', ({ publisher }) => publisher === 'b');
    await lane.publishedUpTo(20, 'b');
    expect(made.written('right')).toEqual(texts(upTo(20)));
    expect(made.written('left')).toEqual([]);
    lane.verify(1, 'a');
    await lane.publishedUpTo(20, 'a');
    expect(made.written('left')).toEqual(texts(upTo(20)));
  });

  it('goes on at the one while the other is blocked, with positions of their own', async () => {
    const made = world(fork);
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    made.system('a').sinks.isBlocked = true;
    made.feed(0, upTo(200));
    await lane.publishedUpTo(200, 'b');
    const { tasks } = await lane.status();
    expect(tasks[0]).toMatchObject({ published: { a: '0', b: '200' }, queued: { left: 200, right: 0 } });
    expect(made.written('left')).toEqual([]);
    made.system('a').sinks.isBlocked = false;
    await lane.publishedUpTo(200, 'a');
    expect(made.written('left')).toEqual(texts(upTo(200)));
    expect(made.written('right')).toEqual(texts(upTo(200)));
  });

  it('opens only the one again that was fenced', async () => {
    const made = world(fork);
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    const scope = { pair: 'test', app: 'forked', lane: 0, lanes: 1, tasks: [] };
    made.system('a').sinks.open(scope, asEpoch(1), undefined);
    made.feed(0, upTo(50));
    await lane.until(() => lane.all('verify-please').length === 3, 'a third question');
    expect(lane.all('verify-please')[2]?.publisher).toBe('a');
    lane.verify(1, 'a');
    await lane.until(() => lane.all('verify-please').length === 4, 'the question after it has opened');
    expect(lane.all('verify-please')[3]?.publisher).toBe('a');
    lane.verify(1, 'a');
    await lane.publishedUpTo(50, 'a');
    await lane.publishedUpTo(50, 'b');
    expect(made.written('left')).toEqual(texts(upTo(50)));
    expect(made.written('right')).toEqual(texts(upTo(50)));
  });

  it('carries what each still owes over to another node in a snapshot', async () => {
    const made = world(fork);
    const first = made.start();
    await first.startAt();
    await first.goLive(1, genesis);
    made.system('a').sinks.isBlocked = true;
    made.feed(0, upTo(100));
    await first.publishedUpTo(100, 'b');
    const chunks = await first.snapshot();
    first.kill();
    made.system('a').sinks.isBlocked = false;
    made.feed(0, upTo(130, 100));
    const second = made.start();
    await second.restore(chunks);
    await second.goLive(2);
    await second.publishedUpTo(130, 'a');
    await second.publishedUpTo(130, 'b');
    expect(made.written('left')).toEqual(texts(upTo(130)));
    expect(made.written('right')).toEqual(texts(upTo(130)));
  });
});

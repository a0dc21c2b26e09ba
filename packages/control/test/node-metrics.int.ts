// What a running node reports of its lanes.
import { appWhen, eventually, isLive, Stage } from './support/stage.ts';

jest.setTimeout(60_000);

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterEach(() => stage.stopNodes());
afterAll(() => stage.close());

it('shows the longest pause of a lane also when the lane has reported again since', async () => {
  const pair = 'pauses';
  await stage.feed(pair, 0, 20_000);
  const node = await stage.start(pair, 'a');
  await appWhen(node, isLive);
  await stage.outputCount(pair, 20_000);
  const look = async () => (await node.app()).metrics[0];
  const { longestPause_ms = 0 } = (await look()) ?? {};
  expect(longestPause_ms).toBeGreaterThan(0);
  // Each report has another size of the heap.
  const heaps = new Set<number>();
  const later = await eventually('some reports of a lane with nothing to do', async () => {
    const metrics = await look();
    heaps.add(metrics?.heap_bytes ?? 0);
    return heaps.size > 4 ? metrics : undefined;
  });
  expect(later.longestPause_ms).toBeGreaterThanOrEqual(longestPause_ms);
});

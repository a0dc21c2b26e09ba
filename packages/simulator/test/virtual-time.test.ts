import { SimulatedProcess, VirtualTime } from '@tandem/simulator';

let time: VirtualTime;
let happened: string[];

beforeEach(() => {
  time = new VirtualTime();
  happened = [];
});

function say(text: string): () => void {
  return () => {
    happened.push(`${String(time.now_ms())} ${text}`);
  };
}

const start = (options: { readonly rate?: number } = {}): SimulatedProcess =>
  new SimulatedProcess(time, { wall_ms: 1_000_000, ...options });

it('lets what is due happen in its order, and of the same time in the order in which it was asked for', async () => {
  const delays = [7, 3, 9, 3, 1, 8, 2, 3, 7, 0];
  for (const [index, delay_ms] of delays.entries()) time.after(delay_ms, say(`#${String(index)}`));
  await time.runUntil(8);
  expect(happened).toEqual(['0 #9', '1 #4', '2 #6', '3 #1', '3 #3', '3 #7', '7 #0', '7 #8', '8 #5']);
  expect(time.now_ms()).toBe(8);
});

it('waits for all that follows without time before it goes on', async () => {
  time.after(1, () => {
    void (async () => {
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      time.after(0, say('what follows'));
    })();
  });
  time.after(2, say('later'));
  await time.runUntil(2);
  expect(happened).toEqual(['1 what follows', '2 later']);
});

it('forgets what is cancelled', async () => {
  const timer = time.after(1, say('never'));
  time.after(1, say('once'));
  timer.cancel();
  await time.runUntil(5);
  expect(happened).toEqual(['1 once']);
});

it('a paused process does what was due when it is continued, in order, but for what is cancelled', async () => {
  const process = start();
  process.after(2, say('second'));
  process.after(1, say('first'));
  const timers = [3, 4].map((delay_ms) => process.after(delay_ms, say('cancelled')));
  time.after(2, say('of somebody else'));
  process.pause();
  await time.runUntil(10);
  expect(happened).toEqual(['2 of somebody else']);
  timers[0]?.cancel();
  process.resume();
  process.resume();
  timers[1]?.cancel();
  await time.runUntil(20);
  expect(happened.slice(1)).toEqual(['10 first', '10 second']);
});

it('nothing of a process happens once it is dead, whether it is due then or was due while it was paused', async () => {
  const process = start();
  process.after(1, say('while paused'));
  process.after(5, say('later'));
  process.pause();
  await time.runUntil(2);
  process.kill();
  process.resume();
  expect(process.state).toBe('dead');
  await time.runUntil(10);
  expect(happened).toEqual([]);
});

it('has clocks that run at their own pace, and wall clocks that jump', async () => {
  await time.runUntil(100);
  const fast = start({ rate: 1.25 });
  fast.after(50, say('after 50 ms of its own'));
  await time.runUntil(200);
  expect(happened).toEqual(['140 after 50 ms of its own']);
  expect([fast.now_ms(), fast.wall_ms()]).toEqual([125, 1_000_125]);
  fast.jump(-3_600_000);
  expect([fast.now_ms(), fast.wall_ms()]).toEqual([125, -2_599_875]);
});

it('runs until something is so, and says what was not', async () => {
  let count = 0;
  const again = (): void => {
    count++;
    time.after(10, again);
  };
  again();
  await time.until('three times', () => count === 3, 100);
  expect(time.now_ms()).toBe(20);
  await expect(time.until('a hundred times', () => count === 100, 50)).rejects.toThrow(
    'a hundred times: not within 50 ms of virtual time',
  );
  expect(count).toBe(8);
});

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
  fast.after(50, () => {
    happened.push(`${time.now_ms().toFixed(3)}: ${fast.now_ms().toFixed(3)} of its own`);
  });
  await time.runUntil(200);
  expect(happened).toEqual(['140.000: 50.000 of its own']);
  expect([fast.now_ms(), fast.wall_ms()]).toEqual([125, 1_000_125]);
  fast.jump(-3_600_000);
  expect([fast.now_ms(), fast.wall_ms()]).toEqual([125, -2_599_875]);
});

it('is never early by a clock of its own: what is asked for until some time then comes once', async () => {
  const odd = start({ rate: 1.0137 });
  let asked = 0;
  const wake_ms = 17.3 + 41.9;
  const ask = (): void => {
    asked++;
    if (odd.now_ms() < wake_ms) odd.after(wake_ms - odd.now_ms(), ask);
  };
  odd.after(0.1, ask);
  await time.runUntil(200);
  expect(asked).toBe(2);
});

it('gives its threads its clock, stops and kills them with it', async () => {
  const process = start({ rate: 2 });
  const thread = process.thread();
  const other = process.thread();
  thread.after(10, say('thread'));
  other.after(10, say('other'));
  other.kill();
  process.pause();
  await time.runUntil(20);
  expect([thread.now_ms(), thread.wall_ms()]).toEqual([process.now_ms(), process.wall_ms()]);
  expect([happened, process.state, thread.state]).toEqual([[], 'paused', 'paused']);
  process.resume();
  await time.runUntil(20);
  expect(happened).toEqual(['20 thread']);
  thread.after(1, say('never'));
  process.kill();
  await time.runUntil(40);
  expect([happened, thread.state]).toEqual([['20 thread'], 'dead']);
});

it('hands an exception to whoever looks after the process', async () => {
  const process = start();
  const thrown: unknown[] = [];
  process.onThrown = (error) => thrown.push(error);
  process.after(1, () => {
    throw new Error('ours');
  });
  await time.runUntil(2);
  expect(thrown).toEqual([new Error('ours')]);
  start().after(1, () => {
    throw new Error('nobody looks after it');
  });
  await expect(time.runUntil(4)).rejects.toThrow('nobody looks after it');
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

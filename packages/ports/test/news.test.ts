// Waits that end by word, by time or by an abort, whichever comes first.
import { News } from '@tandem/ports';
import { clock } from '@tandem/ports/contract';

const never = new AbortController().signal;
const longTime = (): number => clock.now_ms() + 60_000;

it('ends every wait that is under way, and none that comes later', async () => {
  const news = new News();
  const waits = [news.wait(clock, longTime(), never), news.wait(clock, longTime(), never)];
  news.tell();
  await Promise.all(waits);
  let hasEnded = false;
  const later = news.wait(clock, longTime(), never).then(() => {
    hasEnded = true;
  });
  await new Promise(setImmediate);
  expect(hasEnded).toBe(false);
  news.tell();
  await later;
});

it('ends a wait when its time has come', async () => {
  const until_ms = clock.now_ms() + 20;
  await new News().wait(clock, until_ms, never);
  expect(clock.now_ms()).toBeGreaterThanOrEqual(until_ms - 1);
});

it('ends a wait that is aborted, also one that already was', async () => {
  const abort = new AbortController();
  const wait = new News().wait(clock, longTime(), abort.signal);
  abort.abort();
  await wait;
  await new News().wait(clock, longTime(), abort.signal);
});

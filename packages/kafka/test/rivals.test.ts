// When what is stored tells of another pair of the same name, and when it does not.
import { asEpoch, asPosition } from '@tandem/pair';
import type { PublishedRecord } from '../src/positions-topic.ts';
import { Rivals } from '../src/rivals.ts';

const ours = asEpoch(5);

function record(epoch: number, position: number): PublishedRecord {
  return { epoch: asEpoch(epoch), positions: new Map([['in/0', asPosition(position)]]) };
}

describe('what is stored after an opening', () => {
  it('is the predecessor’s at first, and its last publishing may come between two openings of ours', () => {
    const rivals = new Rivals();
    expect(rivals.isToBeTold(record(4, 10), ours, 0)).toBe(false);
    expect(rivals.isToBeTold(record(4, 20), ours, 1)).toBe(false);
  });

  it('is explained by what was there before when our attempt was undone', () => {
    const rivals = new Rivals();
    rivals.isToBeTold(record(4, 10), ours, 0);
    for (const position of [11, 12, 13, 14, 15]) rivals.attempted(record(5, position));
    expect(rivals.isToBeTold(record(4, 10), ours, 1)).toBe(false);
  });

  it('is explained by an attempt of ours whose outcome was not known', () => {
    const rivals = new Rivals();
    rivals.published(record(5, 10));
    rivals.attempted(record(5, 20));
    expect(rivals.isToBeTold(record(5, 20), ours, 0)).toBe(false);
  });

  it('is a newer node’s where its epoch is higher', () => {
    const rivals = new Rivals();
    rivals.published(record(5, 10));
    expect(rivals.isToBeTold(record(6, 20), ours, 0)).toBe(false);
  });

  it('is a rival’s when nothing of ours explains it, and that is said once a minute', () => {
    const rivals = new Rivals();
    rivals.published(record(5, 10));
    rivals.attempted(record(5, 20));
    expect(rivals.isThere(0)).toBe(false);
    expect(rivals.isToBeTold(record(5, 15), ours, 0)).toBe(true);
    rivals.published(record(5, 25));
    expect(rivals.isToBeTold(record(3, 30), ours, 59_999)).toBe(false);
    rivals.published(record(5, 35));
    expect(rivals.isToBeTold(record(3, 40), ours, 60_000)).toBe(true);
    expect(rivals.isThere(119_999)).toBe(true);
    expect(rivals.isThere(120_000)).toBe(false);
  });
});

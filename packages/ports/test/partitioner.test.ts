import { murmur2, partitionOf } from '../src/index.ts';

describe('the partitioner', () => {
  // The cases of Apache Kafka's own UtilsTest.testMurmur2.
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('hashes %s as Kafka does', (text, expected) => {
    expect(murmur2(Buffer.from(text))).toBe(expected);
  });

  it('hashes a range of a larger buffer like the bytes alone', () => {
    const key = Buffer.from('customer-17');
    const framed = Buffer.concat([Buffer.from('xx'), key, Buffer.from('yyy')]);
    expect(murmur2(framed, 2, 2 + key.length)).toBe(murmur2(key));
  });

  it('stays within the number of partitions, and uses all of them', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 200; i++) {
      const key = Buffer.from(`k${String(i)}`);
      const partition = partitionOf(key, 0, key.length, 7);
      expect(partition).toBeGreaterThanOrEqual(0);
      expect(partition).toBeLessThan(7);
      seen.add(partition);
    }
    expect(seen.size).toBe(7);
  });
});

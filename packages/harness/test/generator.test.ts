import { createHash } from 'node:crypto';
import { Generator, partitionOf, percentile, summarise, ArrivalClock, SteadyCheck, steadyValue } from '@tandem/harness';

describe('the generator', () => {
  it('makes the same million records as every other system that is measured', () => {
    const generator = new Generator();
    const hash = createHash('sha256');
    let page = '';
    for (let i = 0; i < 1_000_000; i++) {
      page += generator.record().value + '\n';
      if (i % 1000 === 999) {
        hash.update(page);
        page = '';
      }
    }
    expect(hash.digest('hex')).toBe('3a47fecf8a9df7225c5cb75d47f9a0e7b35ea08c11020bedefdbde0c3f43ea8a');
  });

  it('begins as documented', () => {
    const generator = new Generator();
    expect(generator.record().value).toBe(
      '{"id":"k8873","amount":62,"ts":1700000000000,"pad":"7bb98f3a0183a8b5e6336d1ff989d237ba2529d0fcfbedbf"}',
    );
    expect(generator.record()).toMatchObject({ key: 'k3865', amount: 68 });
    expect(generator.record()).toMatchObject({ key: 'k5386', amount: 6 });
  });

  it.each([
    // From Kafka's own UtilsTest.
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ])('places the key %s as Kafka does', (key, hash) => {
    expect(partitionOf(key, 1000)).toBe((hash & 0x7fffffff) % 1000);
  });
});

describe('statistics', () => {
  it('takes percentiles by nearest rank', () => {
    expect(percentile([1, 2, 3, 4], 0.5)).toBe(2);
    expect(percentile([1, 2, 3, 4], 0.99)).toBe(4);
    expect(percentile([], 0.5)).toBeNaN();
    expect(summarise([30, 10.04, 20])).toEqual({ p50: 20, p99: 30, max: 30 });
  });

  it('finds the longest silence that ends after a fault and before the next', () => {
    const clock = new ArrivalClock();
    for (const at_ms of [0, 50, 60, 100, 105, 300]) clock.note(at_ms);
    expect(clock.longestGap_ms(60, 200)).toBe(40);
    expect(clock.longestGap_ms(55, 59)).toBeUndefined();
    expect(clock.longestGap_ms(101, 1000)).toBe(195);
    // One that was under way when the fault came counts whole.
    expect(clock.longestGap_ms(20, 55)).toBe(50);
  });
});

describe('the check of steady mode', () => {
  const output = (id: string, count: number, sum: number, seq: number) => ({
    partition: 0,
    offset: 0,
    key: id,
    value: JSON.stringify({ id, count, sum, ts: 1, seq, sent: 1 }),
  });

  function checked(...outputs: ReturnType<typeof output>[]): SteadyCheck {
    const check = new SteadyCheck();
    for (const amount of [5, 7, 9]) check.sent({ key: 'k1', amount });
    for (const one of outputs) check.arrived(one);
    return check;
  }

  it('has nothing to say against one right output per input', () => {
    const check = checked(output('k1', 1, 5, 0), output('k1', 2, 12, 1), output('k1', 3, 21, 2));
    expect(check.verdict()).toEqual({ lost: 0, duplicated: 0, wrong: 0 });
    expect(check.answered).toBe(3);
  });

  it('counts inputs without an output', () => {
    expect(checked(output('k1', 1, 5, 0), output('k1', 2, 12, 1)).verdict()).toMatchObject({ lost: 1 });
  });

  it('counts outputs that came twice', () => {
    expect(checked(output('k1', 1, 5, 0), output('k1', 1, 5, 0)).verdict()).toMatchObject({ lost: 2, duplicated: 1 });
  });

  it('counts outputs that do not follow from the one before', () => {
    expect(checked(output('k1', 2, 5, 0)).verdict()).toMatchObject({ wrong: 1 });
    expect(checked(output('k1', 1, 6, 0)).verdict()).toMatchObject({ wrong: 1 });
    expect(checked(output('k1', 1, 7, 1), output('k1', 2, 12, 0)).verdict()).toMatchObject({ wrong: 1 });
    expect(checked(output('k1', 1, 5, 77)).verdict()).toMatchObject({ wrong: 1, lost: 3 });
  });

  it('writes the input as documented', () => {
    expect(steadyValue({ key: 'k1', amount: 5 }, 3, 17)).toBe('{"id":"k1","amount":5,"ts":17,"seq":3,"sent":17}');
  });
});

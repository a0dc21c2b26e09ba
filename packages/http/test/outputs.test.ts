import fc from 'fast-check';
import { outputBatch, type NewOutput } from '@tandem/ports/contract';
import { takeOutputs } from '../src/outputs.ts';

const output = (position: number, sink: number, task = 0): NewOutput => {
  return { sink, partition: 0, task, position, key: 'k', value: `${String(position)} to ${String(sink)}` };
};

describe('outputs of a batch', () => {
  it('are numbered by input and sink', () => {
    const batch = outputBatch([['in/0', 4, 7]], [output(4, 0), output(4, 1), output(4, 0), output(6, 1), output(6, 1)]);
    const taken = takeOutputs(batch, 100).get('in/0');
    expect(taken?.outputs.map(({ position, sink, ordinal, index }) => [position, sink, ordinal, index])).toEqual([
      [4, 0, 0, 0],
      [4, 1, 0, 1],
      [4, 0, 1, 2],
      [6, 1, 0, 0],
      [6, 1, 1, 1],
    ]);
    expect(taken?.end).toBe(7);
  });

  it('keep what they were when the batch is gone, also null and empty ones', () => {
    const batch = outputBatch(
      [['in/0', 0, 2]],
      [
        { sink: 0, partition: 0, position: 0, key: null, value: '' },
        { sink: 0, partition: 0, position: 1, key: '', value: null, headers: ['a', 'b'] },
      ],
    );
    const taken = takeOutputs(batch, 100).get('in/0')?.outputs ?? [];
    batch.outputs().bytes.fill(0);
    expect(taken.map(({ key, value, headers }) => [key?.toString(), value?.toString(), headers])).toEqual([
      [undefined, '', undefined],
      ['', undefined, ['a', 'b']],
    ]);
  });

  it('are taken in whole inputs, with the same numbers wherever a batch begins and ends', () => {
    const inputs = fc.array(fc.array(fc.nat(2), { maxLength: 5 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(inputs, fc.nat(12), fc.integer({ min: 1, max: 6 }), (sinksOf, start, most) => {
        const all = sinksOf.flatMap((sinks, position) => sinks.map((sink) => output(position, sink)));
        const ids = (from: number, limit: number) => {
          const batch = outputBatch(
            [['in/0', from, sinksOf.length]],
            all.slice(all.findIndex(({ position = 0 }) => position >= from)),
          );
          const rest =
            from === 0 || all.some(({ position = 0 }) => position >= from)
              ? batch
              : outputBatch([['in/0', from, sinksOf.length]], []);
          const taken = takeOutputs(rest, limit).get('in/0');
          return {
            end: taken?.end ?? -1,
            ids: taken?.outputs.map((one) => `${String(one.position)} ${String(one.sink)} ${String(one.ordinal)}`),
          };
        };
        const from = Math.min(start, sinksOf.length - 1);
        const whole = ids(0, 1000).ids ?? [];
        const part = ids(from, most);
        const expected = whole.filter((id) => Number(id.split(' ')[0]) >= from && Number(id.split(' ')[0]) < part.end);
        expect(part.ids).toEqual(expected);
      }),
    );
  });
});

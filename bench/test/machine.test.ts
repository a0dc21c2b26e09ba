// What a run says of the machine it was measured on.
import { describeSteal, processorTimeIn } from '../src/machine.ts';

const stat = (ticks: string): string => `cpu  ${ticks}\ncpu0 1 1 1 1 1 1 1 1 0 0\nintr 12\n`;

it("finds the time of all processors, and the host's share, without counting guests twice", () => {
  expect(processorTimeIn(stat('400 0 100 500 0 0 0 0 50 0'))).toEqual({ all: 1000, stolen: 0 });
  expect(processorTimeIn(stat('700 0 200 900 0 0 0 200 50 0'))).toEqual({ all: 2000, stolen: 200 });
});

it.each([
  ['no Linux', ''],
  ['another format', 'cpu  1 2 three\n'],
])('says nothing where there is %s', (_what, text) => {
  expect(processorTimeIn(text)).toBeUndefined();
  expect(describeSteal(processorTimeIn(text), undefined)).toBe('');
});

it('says how much was stolen meanwhile', () => {
  const [before, after] = ['400 0 100 500 0 0 0 0 50 0', '700 0 200 900 0 0 0 200 50 0'].map((ticks) =>
    processorTimeIn(stat(ticks)),
  );
  expect(describeSteal(before, after)).toBe(", 20.0 % of the processors' time stolen by the host");
});

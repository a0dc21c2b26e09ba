import { positive, whole } from '@tandem/harness';

it('takes whole numbers within bounds and nothing else', () => {
  expect(whole(1, 30)('30')).toBe(30);
  for (const text of ['0', '31', '1.5', '-1', '', 'x', '1e1']) expect(() => whole(1, 30)(text)).toThrow('whole number');
});

it('takes positive numbers and nothing else', () => {
  expect(positive(10)('0.5')).toBe(0.5);
  for (const text of ['0', '11', '-1', '', 'x']) expect(() => positive(10)(text)).toThrow('number above 0');
});

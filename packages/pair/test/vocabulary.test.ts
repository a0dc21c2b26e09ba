// Numbers that carry a brand have been looked at: what is let through, and what is not.
import { asEpoch, asPosition, positionFromText, taskId } from '@tandem/pair';

describe('a position', () => {
  it.each([0, 1, Number.MAX_SAFE_INTEGER])('may be %d', (value) => {
    expect(asPosition(value)).toBe(value);
    expect(positionFromText(String(value))).toBe(value);
  });

  it.each([-1, 0.5, NaN, Infinity, 2 ** 53])('cannot be %d', (value) => {
    expect(() => asPosition(value)).toThrow(new RangeError(`not a position: ${value}`));
  });

  it.each(['', '-1', '1.5', '1e3', ' 1', '1 ', '1x', 'x1', '0x1', '00000000000000001'])("cannot be '%s'", (text) => {
    expect(() => positionFromText(text)).toThrow(new RangeError(`not a position: '${text}'`));
  });

  it('cannot be beyond what a number holds exactly', () => {
    expect(() => positionFromText('9007199254740992')).toThrow(new RangeError('not a position: 9007199254740992'));
  });
});

describe('an epoch', () => {
  it.each([1, 2, Number.MAX_SAFE_INTEGER])('may be %d', (value) => {
    expect(asEpoch(value)).toBe(value);
  });

  it.each([0, -1, 1.5, NaN, 2 ** 53])('cannot be %d', (value) => {
    expect(() => asEpoch(value)).toThrow(new RangeError(`not an epoch: ${value}`));
  });
});

test("a task's name says source and partition", () => {
  expect(taskId('orders', 3)).toBe('orders/3');
});

import fc from 'fast-check';
import { distance, nearest, suggestion } from '../src/configuration/nearest.ts';

test('the nearest name is the one with the fewest changes', () => {
  expect(nearest('tokne', ['token', 'listen', 'id'])).toBe('token');
  expect(nearest('persistance', ['pair', 'persistence'])).toBe('persistence');
  expect(nearest('Orders', ['orders', 'totals'])).toBe('orders');
});

test('a name that is far from all is near to none', () => {
  expect(nearest('redis', ['postgres', 'kafka'])).toBeUndefined();
  expect(nearest('x', ['y'])).toBeUndefined();
  expect(suggestion('redis', ['postgres', 'kafka'])).toBe('Known: postgres, kafka');
  expect(suggestion('redis', [])).toBe('There are none');
});

test('distance is zero only between equals, and the same both ways', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (left, right) => {
      expect(distance(left, right)).toBe(distance(right, left));
      expect(distance(left, right) === 0).toBe(left === right);
      expect(distance(left, right)).toBeLessThanOrEqual(Math.max(left.length, right.length));
    }),
  );
});

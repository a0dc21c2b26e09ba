import { PassThrough } from 'node:stream';
import { askOn } from '../src/asking.ts';

function person() {
  const input = new PassThrough();
  const output = new PassThrough();
  const answer = askOn(input, output, 'Sure? ');
  return { input, answer, asked: () => String(output.read()) };
}

test('the answer is the first line, without its end', async () => {
  const { input, answer, asked } = person();
  input.write('yes\nand more\n');
  expect(await answer).toBe('yes');
  expect(asked()).toBe('Sure? ');
});

test('an answer may come in pieces, and an empty one is one', async () => {
  const slow = person();
  slow.input.write('or');
  slow.input.write('ders');
  slow.input.write('\r\n');
  expect(await slow.answer).toBe('orders');
  const empty = person();
  empty.input.write('\n');
  expect(await empty.answer).toBe('');
});

test('an input that ends is no answer; what stands before its end is one', async () => {
  const silent = person();
  silent.input.end();
  expect(await silent.answer).toBeUndefined();
  const hasty = person();
  hasty.input.end('orders');
  expect(await hasty.answer).toBe('orders');
});

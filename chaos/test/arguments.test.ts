// What the command makes of its arguments; each mistake is one line.
import { parseArguments } from '../src/arguments.ts';
import { faultKinds } from '../src/faults/kinds.ts';

/** What was said about arguments that are refused. */
function refusal(...args: readonly string[]): string {
  let said = '';
  const write = jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
  try {
    expect(() => parseArguments(args)).toThrow();
  } finally {
    write.mockRestore();
  }
  return said;
}

it('runs every kind on Kafka for ten minutes, unless told otherwise', () => {
  const { seed, ...options } = parseArguments([]);
  expect(options).toMatchObject({ minutes: 10, stack: 'kafka', faults: faultKinds });
  expect(Number.isInteger(seed)).toBe(true);
});

it('takes minutes, seed, stack and kinds', () => {
  const args = ['--minutes', '0.5', '--seed', '42', '--stack', 'postgres', '--faults', 'burst, kill-both', '--json'];
  const { faults, ...options } = parseArguments(args);
  expect(options).toMatchObject({ minutes: 0.5, seed: 42, stack: 'postgres', json: true });
  expect(faults.map(({ name }) => name)).toEqual(['kill-both', 'burst']);
});

it.each([
  ['--seed', 'x', 'must be a whole number'],
  ['--seed', '-1', 'must be a whole number'],
  ['--seed', '4294967296', 'must be a whole number'],
  ['--minutes', 'ten', 'must be a number'],
  ['--minutes', '0', 'must be a number'],
  ['--faults', 'kill-active,kill-everything', "'kill-everything' is not a kind of fault: choose from kill-active"],
  ['--faults', ',', 'name one kind'],
  ['--stack', 'mars', 'choices are kafka, postgres'],
  ['--nonsense', 'x', 'unknown option'],
])('refuses %s %s in one line', (option, value, why) => {
  const said = refusal(option, value);
  expect(said).toContain(why);
  expect(said.trimEnd().split('\n')).toHaveLength(1);
});

it('refuses kinds that the stack has nothing for', () => {
  expect(refusal('--faults', 'kafka-kill', '--stack', 'postgres')).toContain('possible on stack postgres');
});

// How tests that need the stack are declared where it cannot be had.
import { describeWithStack, type StackNeed } from '@tandem/stack';

/** What is declared, without declaring it. */
function declared(environment: Readonly<Record<string, string | undefined>>, needs?: readonly StackNeed[]) {
  const names: string[] = [];
  const kept = { describe: globalThis.describe, it: globalThis.it, beforeAll: globalThis.beforeAll };
  const before = { ...process.env };
  try {
    Object.assign(globalThis, {
      describe: (_: string, body: () => void) => {
        body();
      },
      it: { skip: (name: string) => names.push(`skipped: ${name}`) },
      beforeAll: () => names.push('prepared'),
    });
    process.env = { ...before, PATH: '/nowhere', JAVA_HOME: '/nowhere', CI: undefined, ...environment };
    describeWithStack('a suite', () => names.push('tests'), needs);
  } finally {
    Object.assign(globalThis, kept);
    process.env = before;
  }
  return names;
}

it('shows one skipped test that says why', () => {
  expect(declared({})).toEqual([expect.stringMatching(/^skipped: NOT RUN: no Java runtime was found\. .*install/)]);
});

it('is declared on CI all the same, where it fails', () => {
  expect(declared({ CI: 'true' })).toEqual(['prepared', 'tests']);
});

it('does without Java where the servers that are needed are named', () => {
  const named = { TANDEM_TEST_KAFKA: 'kafka.example:9092' };
  expect(declared(named, ['kafka'])).toEqual(['prepared', 'tests']);
  expect(declared(named, ['kafka', 'zookeeper'])).toEqual([expect.stringContaining('NOT RUN')]);
});

// Declares tests that need Kafka, ZooKeeper or Java. Where those cannot be had, people see one skipped test that says
// why; with CI=true the tests run all the same, so that they fail.
import type { JarSet } from './jars.ts';
import { findJava } from './java.ts';
import { prepare } from './prepare.ts';

/** `kafka`, `zookeeper`: the shared test servers. Anything else: jars, for servers and programs of one's own. */
export type StackNeed = 'kafka' | 'zookeeper' | JarSet;

const prepareLimit_ms = 20 * 60_000;
const variables = { kafka: 'TANDEM_TEST_KAFKA', zookeeper: 'TANDEM_TEST_ZOOKEEPER' } as const;
const jars = { kafka: 'kafka-4.1', zookeeper: 'zookeeper-3.9' } as const;

/** Jest's `describe`. What is needed (by default servers of its own, of the newest versions) is fetched before `tests`. */
export function describeWithStack(
  name: string,
  tests: () => void,
  needs: readonly StackNeed[] = ['kafka-4.1', 'zookeeper-3.9'],
): void {
  const wanted = needs.filter((need) => !isGiven(need)).map((need) => (isShared(need) ? jars[need] : need));
  const java = wanted.length === 0 || process.env['CI'] === 'true' ? undefined : findJava();
  describe(name, () => {
    if (java !== undefined && 'missing' in java) {
      it.skip(`NOT RUN: ${java.missing}. "npm run stack -- install" gets it, or see docs/stack.md`, () => undefined);
      return;
    }
    // With a limit of its own: it may download, on CI even install.
    beforeAll(async () => {
      for (const set of wanted) await prepare(set);
    }, prepareLimit_ms);
    tests();
  });
}

function isShared(need: StackNeed): need is 'kafka' | 'zookeeper' {
  return need === 'kafka' || need === 'zookeeper';
}

function isGiven(need: StackNeed): boolean {
  return isShared(need) && (process.env[variables[need]] ?? '') !== '';
}

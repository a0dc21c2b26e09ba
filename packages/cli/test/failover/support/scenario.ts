// Tests on a stage that is opened before the first of them and closed after the last, each with the end of the nodes'
// logs when it fails.
import type { Stage } from './stage.ts';

type Scenario = (name: string, run: (stage: Stage) => Promise<void>, limit_ms?: number) => void;

interface StagingOptions {
  /** Default true: the tests begin with every node ready. */
  readonly started?: boolean;
  /** Once, after that. */
  readonly prepare?: (stage: Stage) => Promise<void>;
  /** Of all this together. */
  readonly limit_ms?: number;
}

/** For the tests of the block that it is called in. */
export function scenariosOn(open: () => Promise<Stage>, options: StagingOptions = {}): Scenario {
  const { started = true, prepare, limit_ms = 60_000 } = options;
  let stage: Stage | undefined;

  beforeAll(async () => {
    stage = await open();
    await withLogTails(stage, async (opened) => {
      if (started) await opened.start();
      await prepare?.(opened);
    });
  }, limit_ms);

  afterAll(async () => {
    await stage?.close();
  }, 60_000);

  return (name, run, testLimit_ms = 150_000) => {
    it(
      name,
      async () => {
        if (stage === undefined) throw new Error('there is no stage');
        await withLogTails(stage, run);
      },
      testLimit_ms,
    );
  };
}

async function withLogTails(stage: Stage, run: (stage: Stage) => Promise<void>): Promise<void> {
  try {
    await run(stage);
  } catch (thrown) {
    await stage.stopFeeds().catch(() => undefined);
    const tails = await stage.logTails().catch((error: unknown) => String(error));
    if (thrown instanceof Error) thrown.message += `\n${tails}`;
    throw thrown;
  }
}

// A test that says what the nodes' logs said when it fails.
import type { Stage } from './stage.ts';

export function scenario(name: string, stage: () => Stage, run: (stage: Stage) => Promise<void>, limit_ms = 90_000) {
  it(
    name,
    async () => {
      try {
        await run(stage());
      } catch (thrown) {
        await stage()
          .stopFeeds()
          .catch(() => undefined);
        const tails = await stage()
          .logTails()
          .catch((error: unknown) => String(error));
        if (thrown instanceof Error) thrown.message += `\n${tails}`;
        throw thrown;
      }
    },
    limit_ms,
  );
}

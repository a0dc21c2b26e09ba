// Nodes that are stopped and wake up later, believing that nothing happened: what they still send is refused.
import { waitFor } from '@tandem/harness';
import { blockSink } from './support/blocked-sink.ts';
import { scenariosOn } from './support/scenario.ts';
import { onEachStack } from './support/stacks.ts';
import { Stage } from './support/stage.ts';
import { outputLog } from './support/staged-apps.ts';

const rate_per_s = 400;

/** The other node takes over from the one that was stopped, which rejoins as the passive when it wakes. */
async function expectOneSuccessor(stage: Stage, stopped: string, epoch: number): Promise<void> {
  const successor = await stage.pair.waitActive({ not: stopped });
  await stage.moreOutputs(200);
  stage.pair.signal(stopped, 'SIGCONT');
  expect(await stage.ready()).toBe(successor);
  await stage.moreOutputs(100);
  await stage.expectWhole(successor);
  expect(await stage.epoch()).toBe(epoch + 1);
}

onEachStack((stack) => {
  const scenario = scenariosOn(() => Stage.open({ stack }));

  scenario(
    'an active stopped for longer than its session is replaced, and rejoins as the passive when it wakes',
    async (stage) => {
      for (let round = 0; round < 2; round++) {
        const active = await stage.underLoad({ rate_per_s, outputs: 100 });
        const epoch = await stage.epoch();
        stage.pair.signal(active, 'SIGSTOP');
        await expectOneSuccessor(stage, active, epoch);
      }
    },
  );
});

describe('inside of a transaction, on PostgreSQL', () => {
  const scenario = scenariosOn(() => Stage.open());

  scenario(
    'a zombie that was stopped inside of an open transaction holds its successor up for no longer than that takes to see',
    async (stage) => {
      const active = await stage.underLoad({ rate_per_s, outputs: 100 });
      const epoch = await stage.epoch();
      // With the head of an output log locked by somebody else, the transaction stays open, holding the fence.
      const release = await blockSink(stage, outputLog('tally', 'counts'));
      try {
        await publisherWaits(stage);
        stage.pair.signal(active, 'SIGSTOP');
        await waitFor('another epoch is claimed', { limit_ms: 20_000 }, async () =>
          (await stage.epoch()) > epoch ? true : undefined,
        );
      } finally {
        await release();
      }
      await expectOneSuccessor(stage, active, epoch);
    },
  );

  scenario('a zombie whose transaction lies idle on the server is put out of it by its successor', async (stage) => {
    const active = await stage.underLoad({ rate_per_s, outputs: 100 });
    const epoch = await stage.epoch();
    // The zombie's session waits for a lock when it is stopped; released, it would go on by itself unless it is ended.
    // The bursts alone: what goes to the other log is written already, in the same transaction.
    const release = await blockSink(stage, outputLog('tally', 'bursts'));
    let successor: string;
    try {
      await publisherWaits(stage);
      stage.pair.signal(active, 'SIGSTOP');
      await waitFor('another epoch holds the fence', { limit_ms: 20_000 }, async () => {
        const [row] = await stage.query<{ epoch: string }>('SELECT min(epoch) AS epoch FROM tandem.fence');
        return Number(row?.epoch) > epoch ? true : undefined;
      });
      stage.pair.signal(active, 'SIGCONT');
      await release();
      successor = await stage.pair.waitActive({ not: active });
    } finally {
      await release();
    }
    await stage.moreOutputs(200);
    expect(await stage.ready()).toBe(successor);
    await stage.expectWhole(successor);
  });

  /** Until a publishing transaction waits for a lock. */
  async function publisherWaits(stage: Stage): Promise<void> {
    await waitFor('a publishing transaction waits for a lock', { limit_ms: 10_000, pause_ms: 5 }, async () => {
      const waiting = await stage.query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
       AND application_name LIKE 'tandem publisher%'`,
      );
      return waiting.length > 0 ? true : undefined;
    });
  }
});

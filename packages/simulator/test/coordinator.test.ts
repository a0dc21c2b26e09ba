import { describeCoordinator, type CoordinatorWorld } from '@tandem/ports/contract';
import { MemoryCoordination, type MemoryCoordinator } from '@tandem/simulator';
import type { Coordinator } from '@tandem/ports';
import fc from 'fast-check';
import type { Epoch } from '@tandem/pair';
import { ManualClock } from './support/manual-clock.ts';

const worldOf = (activeEndsWithSession: boolean): Promise<CoordinatorWorld> => {
  const clock = new ManualClock();
  const world = new MemoryCoordination({ clock, sessionTimeout_ms: 1000, activeEndsWithSession });
  const clients = new Map<Coordinator, MemoryCoordinator>();
  const of = (coordinator: Coordinator) => {
    const client = clients.get(coordinator);
    if (client === undefined) throw new Error('not one of ours');
    return client;
  };
  return Promise.resolve({
    create: () => {
      const client = world.connect();
      clients.set(client, client);
      return client;
    },
    now_ms: () => clock.now_ms(),
    until: (condition) => clock.until(condition),
    settle: (work) => clock.settle(work),
    kill: (client) => {
      of(client).kill();
    },
    cut: (client) => {
      of(client).cut();
    },
    heal: (client) => {
      of(client).heal();
    },
    loseNextAnswer: (client) => {
      of(client).loseNextAnswer();
    },
    dispose: () => Promise.resolve(),
  });
};

describeCoordinator('memory', () => worldOf(false));
describeCoordinator('memory, whose active ends with its session,', () => worldOf(true));

describe('a memory coordination', () => {
  const command = fc.record({
    who: fc.integer({ min: 0, max: 2 }),
    what: fc.constantFrom('claim', 'claim', 'claim', 'resign', 'cut', 'heal', 'lose'),
    pause_ms: fc.integer({ min: 0, max: 700 }),
  });

  it('never gives an epoch to two incarnations, whatever is cut, lost or late (S1)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { maxLength: 30 }),
        fc.array(fc.nat(40), { minLength: 1 }),
        async (commands, delays) => {
          const clock = new ManualClock();
          let message = 0;
          const world = new MemoryCoordination({
            clock,
            sessionTimeout_ms: 1000,
            delay_ms: () => delays[(message += 1) % delays.length] ?? 1,
          });
          const clients = [0, 1, 2].map(() => world.connect());
          const quiet = { onView: () => undefined, onConnection: () => undefined };
          for (const [index, client] of clients.entries()) {
            const node = `n${String(index)}`;
            await clock.settle(client.join({ node, incarnation: `${node}-1`, address: '' }, quiet));
          }
          const holders = new Map<Epoch, number>();
          const pending: Promise<void>[] = [];
          for (const { who, what, pause_ms } of commands) {
            const client = clients[who];
            if (client === undefined) continue;
            const { epoch } = world.view();
            if (what === 'claim') {
              pending.push(
                client.claim(epoch).then((claim) => {
                  if (claim.outcome !== 'won') return;
                  expect(holders.get(claim.epoch) ?? who).toBe(who);
                  holders.set(claim.epoch, who);
                }),
              );
            }
            if (what === 'resign' && epoch !== undefined) pending.push(client.resign(epoch).catch(() => undefined));
            if (what === 'cut') client.cut();
            if (what === 'heal') client.heal();
            if (what === 'lose') client.loseNextAnswer();
            await clock.time.runUntil(clock.now_ms() + pause_ms);
          }
          await clock.settle(Promise.all(pending));
          for (const client of clients) client.kill();
        },
      ),
      { numRuns: 50 },
    );
  });
});

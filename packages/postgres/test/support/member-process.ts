// A member in a process of its own, to be stopped and killed: arguments url, pair, node; claims when it has joined,
// and says `active` on its output.
import { createPostgresCoordinator } from '@tandem/postgres';
import { clock } from '@tandem/ports/contract';

// The clock's timers do not keep a process alive, and a session that ended does not either.
setInterval(() => undefined, 1000);

const [url = '', pair = '', node = ''] = process.argv.slice(2);
const coordinator = createPostgresCoordinator({ url, schema: 'tandem', pair, sessionTimeout_ms: 1000, clock });
await coordinator.join(
  { node, incarnation: `${node}-${String(process.pid)}`, address: 'http://127.0.0.1:1' },
  {
    onView: () => undefined,
    onConnection: (state) => {
      process.stdout.write(`${state}\n`);
    },
  },
);
const claim = await coordinator.claim((await coordinator.readView()).epoch);
process.stdout.write(claim.outcome === 'won' ? 'active\n' : `claim ${claim.outcome}\n`);

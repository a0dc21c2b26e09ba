// A large state is stored, sent and restored piece by piece: whoever kept a copy of it, packed or not, would show here.
import { measureSnapshotMemory } from '../src/snapshot-memory.ts';
import { Stack } from '../src/stack.ts';

jest.setTimeout(300_000);

/** Of random text, which gzip makes half as large: with a copy of that beside the usual 120 MiB it would be 250. */
const state_mb = 320;
const limit_mb = 200;

/** The most memory a process ever had is only told there. */
const itOnLinux = process.platform === 'linux' ? it : it.skip;

itOnLinux('takes no more memory than 200 MiB beside the state, on either side', async () => {
  const stack = await Stack.open('postgres', 'native', () => undefined);
  try {
    const result = await measureSnapshotMemory(stack, state_mb);
    expect(result.state_mb).toBeGreaterThan(state_mb);
    expect(result.stored_mb).toBeGreaterThan(state_mb / 2);
    const extra_mb = Object.fromEntries(
      (['store_mb', 'send_mb', 'receive_mb', 'restore_mb'] as const).map((step) => [step, result[step].extra]),
    );
    for (const extra of Object.values(extra_mb)) expect(extra).toBeLessThan(limit_mb);
    // What was measured is a process that holds the state.
    expect(result.receive_mb.peak).toBeGreaterThan(state_mb);
    expect(result.restore_mb.peak).toBeGreaterThan(state_mb);
  } finally {
    await stack.close();
  }
});

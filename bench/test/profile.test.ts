// What a profile says of where time goes.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeProfile, laneProfile, selfTimes, type Profile } from '../src/profile.ts';

function profile(url: string, samples: readonly number[], timeDeltas: readonly number[]): Profile {
  const names = ['(idle)', 'decode', 'copy', '(garbage collector)'];
  return {
    nodes: names.map((functionName, index) => ({
      id: index + 1,
      callFrame: { functionName, url: functionName === 'copy' ? 'node:buffer' : url },
    })),
    samples: [...samples],
    timeDeltas: [...timeDeltas],
  };
}

const lane = 'file:///tmp/tandem-bundles-host-1-x/0/lane.mjs';

it('a sample stands for the time until the next one', () => {
  const times = selfTimes(profile(lane, [1, 2, 3, 2], [7, 100, 20, 30]));
  expect([...times]).toEqual([
    ['(idle)', 100],
    ['copy node:buffer', 30],
    ['decode', 20],
  ]);
});

it('is told per input, as a share of the time that was not idle', () => {
  const lines = describeProfile(profile(lane, [1, 2, 3, 2, 1], [0, 500_000, 600_000, 300_000, 100_000]), 1_000_000);
  expect(lines).toEqual([
    'lane busy for 1.00 s, idle for 0.50 s; self time per input:',
    '0.700 us  70.0 %  decode',
    '0.300 us  30.0 %  copy node:buffer',
  ]);
});

it('is that of the lane that had most to do', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'profiles-'));
  try {
    await expect(laneProfile(folder)).rejects.toThrow('no profile of a lane');
    const profiles = {
      main: profile('file:///somewhere/main.mjs', [2, 1], [0, 900]),
      waiting: profile(lane, [1, 2, 1], [0, 900, 100]),
      working: profile(lane, [2, 1], [0, 200]),
    };
    for (const [name, contents] of Object.entries(profiles)) {
      await writeFile(path.join(folder, `${name}.cpuprofile`), JSON.stringify(contents));
    }
    expect(await laneProfile(folder)).toEqual(profiles.working);
  } finally {
    await rm(folder, { recursive: true });
  }
});

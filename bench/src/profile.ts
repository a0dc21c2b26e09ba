// Where a lane's time goes: self time by function, from the profiles that Node.js writes.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';

// The format of the Chrome DevTools protocol's Profiler.Profile, as far as it is needed; times in microseconds.
const profileSchema = z.object({
  nodes: z.array(z.object({ id: z.number(), callFrame: z.object({ functionName: z.string(), url: z.string() }) })),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

export type Profile = z.output<typeof profileSchema>;

const shown = 24;
const idle = '(idle)';

/** Of all the profiles in a folder the one that did most of an app's work. @throws Error when there is none. */
export async function laneProfile(folder: string): Promise<Profile> {
  let busiest: { profile: Profile; worked_us: number } | undefined;
  for (const file of await readdir(folder)) {
    const profile = profileSchema.parse(JSON.parse(await readFile(path.join(folder, file), 'utf8')));
    const times = selfTimes(profile);
    // Only a lane decodes and encodes records in its own bundle.
    if (!profile.nodes.some(({ callFrame }) => /lane.*\.m?js$/.test(callFrame.url))) continue;
    const worked_us = [...times].reduce((sum, [name, time_us]) => (name === idle ? sum : sum + time_us), 0);
    if (busiest === undefined || worked_us > busiest.worked_us) busiest = { profile, worked_us };
  }
  if (busiest === undefined) throw new Error("no profile of a lane was written: see the nodes' logs");
  return busiest.profile;
}

/** By function, in microseconds, the most first. */
export function selfTimes({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  for (const [index, sample] of samples.entries()) {
    const name = names.get(sample) ?? '(unknown)';
    // A sample stands for the time until the next one.
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index + 1] ?? 0));
  }
  return new Map([...times].sort(([, a], [, b]) => b - a));
}

/** Lines for people: microseconds per input and share of the time not idle. */
export function describeProfile(profile: Profile, inputs: number): string[] {
  const times = selfTimes(profile);
  const idle_us = times.get(idle) ?? 0;
  times.delete(idle);
  const busy_us = [...times.values()].reduce((sum, time_us) => sum + time_us, 0);
  const line = (name: string, time_us: number) =>
    `${(time_us / inputs).toFixed(3)} us  ${((time_us * 100) / busy_us).toFixed(1).padStart(4)} %  ${name}`;
  return [
    `lane busy for ${(busy_us / 1e6).toFixed(2)} s, idle for ${(idle_us / 1e6).toFixed(2)} s; self time per input:`,
    ...[...times].slice(0, shown).map(([name, time_us]) => line(name, time_us)),
  ];
}

function nameOf({ functionName, url }: { functionName: string; url: string }): string {
  if (functionName.startsWith('(')) return functionName;
  const file = url.startsWith('node:') ? ` ${url}` : '';
  return `${functionName === '' ? '(anonymous)' : functionName}${file}`;
}

// Looks for the first seed whose run shows a mistake.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FailedSeed, SeedsReport } from '../../src/pair/seeds.ts';
import { buildWith } from './build.ts';
import type { Mistake } from './mistakes.ts';

/** In the checkout, so that packages left outside of a bundle are found from there. */
const place = fileURLToPath(new URL('../../../../.tandem', import.meta.url));

/** A mistake has to show within so many seeds. */
export const mostSeeds = 500;

/** Undefined when none of the first `mostSeeds` seeds shows it. @throws Error when it cannot be built or run. */
export async function findMistake(mistake: Mistake): Promise<FailedSeed | undefined> {
  mkdirSync(place, { recursive: true });
  const folder = mkdtempSync(path.join(place, 'mistake-'));
  try {
    const bundle = path.join(folder, 'simulation.mjs');
    await buildWith(mistake, bundle);
    const args = [bundle, '--seeds', `1..${String(mostSeeds)}`, '--step', '1', '--until-failed'];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 300_000 });
    const last = stdout.trim().split('\n').at(-1) ?? '';
    if (!last.startsWith('{')) throw new Error(`the simulation ended (exit code ${String(status)}): ${stderr}`);
    return (JSON.parse(last) as SeedsReport).failed[0];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

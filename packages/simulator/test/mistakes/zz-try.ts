import { spawnSync } from 'node:child_process';
import { mistakes } from './mistakes.ts';
import { buildWith } from './build.ts';
const only = process.argv[2];
for (const mistake of mistakes) {
  if (only !== undefined && !mistake.name.includes(only)) continue;
  const out = '/work/main/.tandem/build/mistake.mjs';
  await buildWith(mistake, out);
  const t = performance.now();
  const r = spawnSync(process.execPath, [out, '--seeds', '1..500', '--step', '1', '--until-failed'], {
    encoding: 'utf8',
    timeout: 120000,
  });
  const last = r.stdout.trim().split('\n').at(-1) ?? '';
  let text = r.status + ' ' + r.stderr.slice(0, 300);
  try {
    const j = JSON.parse(last);
    text = j.failed[0]
      ? `seed ${j.failed[0].seed}: ${j.failed[0].violation.rule} ${j.failed[0].violation.what.slice(0, 130)}`
      : `NOT FOUND in ${j.seeds}`;
  } catch {}
  console.log(`${mistake.name}\n     ${text}  (${Math.round(performance.now() - t)} ms)`);
}

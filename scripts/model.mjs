// npm run model: explores the models of the protocol in docs/model exhaustively, as they are and with each planted
// mistake, by Spin. Ends with exit code 1 where one that should hold does not, or a mistake goes unnoticed; 2 without Spin.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../docs/model', import.meta.url));
const memory_MiB = 4000;
const depth = 1_000_000;

const fences = ['KAFKA', 'POSTGRES'];
/** Small enough to be explored whole: inputs, crashes, sessions that expire, answers that are lost. */
const bounds = [
  { INPUTS: 2, CRASHES: 1, EXPIRIES: 1, LOSSES: 0 },
  { INPUTS: 2, CRASHES: 1, EXPIRIES: 0, LOSSES: 1 },
  { INPUTS: 1, CRASHES: 1, EXPIRIES: 1, LOSSES: 1 },
  { INPUTS: 1, CRASHES: 2, EXPIRIES: 0, LOSSES: 1 },
];
const fair = { INPUTS: 1, CRASHES: 1, EXPIRIES: 1, LOSSES: 0 };

const right = [
  ...fences.flatMap((FENCE) => bounds.map((one) => ({ model: 'pair', check: 'safety', define: { FENCE, ...one } }))),
  ...fences.map((FENCE) => ({ model: 'pair', check: 'liveness', define: { FENCE, ...fair } })),
  { model: 'journal', check: 'safety', define: { CRASHES: 2 } },
  { model: 'journal', check: 'liveness', define: { CRASHES: 1 } },
];

const small = { INPUTS: 2, CRASHES: 1, EXPIRIES: 1, LOSSES: 1 };
const wrong = [
  ...[
    'READS_BACK_BEFORE_OPEN',
    'TRIMS_BY_WHAT_IS_NOT_DURABLE',
    'SNAPSHOT_WITHOUT_QUEUE',
    'RESTART_WITHOUT_SUPPRESSING',
    'SPLITS_AN_INPUT',
    'GOES_ON_FROM_MEMORY',
    'UNKNOWN_CLAIM_IS_LOST',
    'VERIFIES_A_CACHED_VIEW',
    'NO_VERIFICATION',
    'NO_FENCE',
  ].map((MISTAKE) => ({ model: 'pair', define: { FENCE: 'KAFKA', ...small, MISTAKE } })),
  {
    model: 'pair',
    define: { FENCE: 'KAFKA', INPUTS: 3, ROOM: 1, CRASHES: 1, EXPIRIES: 0, LOSSES: 0, MISTAKE: 'CLAIMS_GATED_ON_LAG' },
  },
  ...['EPOCH_BY_PLAIN_SELECT', 'NO_COUNTER'].map((MISTAKE) => ({
    model: 'pair',
    define: { FENCE: 'POSTGRES', ...small, MISTAKE },
  })),
  ...[
    'SNAPSHOT_AHEAD_OF_JOURNAL',
    'RUNS_AHEAD_OF_LEAD',
    'CHOOSES_BEFORE_JOURNAL_IS_READ',
    'KEEPS_WHAT_WAS_NOT_COMMITTED',
    'REVISION_AHEAD_OF_JOURNAL',
  ].map((MISTAKE) => ({ model: 'journal', define: { CRASHES: 2, MISTAKE } })),
].map((one) => ({ ...one, check: 'safety' }));

/** What Spin found: the first error, if any, and how many states there were. */
function explore({ model, check, define }) {
  const work = mkdtempSync(path.join(tmpdir(), 'tandem-model-'));
  try {
    const defines = Object.entries(define).map(([name, value]) => `-D${name}=${String(value)}`);
    run('spin', [...defines, '-a', path.join(folder, `${model}.pml`)], work);
    const kind = check === 'safety' ? ['-DSAFETY', '-DNOCLAIM'] : ['-DNFAIR=3'];
    run('gcc', ['-w', '-O2', ...kind, '-DCOLLAPSE', `-DMEMLIM=${String(memory_MiB)}`, '-o', 'pan', 'pan.c'], work);
    const flags = check === 'safety' ? [] : ['-a', '-f'];
    const { stdout } = spawnSync('./pan', ['-n', `-m${String(depth)}`, ...flags], { cwd: work, encoding: 'utf8' });
    const states = /(\S+) states, stored/.exec(stdout)?.[1];
    const isWhole =
      states !== undefined && !/out of memory|max search depth too small|Search not completed/.test(stdout);
    return { error: /^pan:1: (.*) \(at depth/m.exec(stdout)?.[1], states: Number(states), isWhole };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command, args, cwd) {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
}

function describe({ model, check, define }) {
  const set = Object.entries(define).map(([name, value]) => `${name}=${String(value)}`);
  return `${model}, ${check}, ${set.join(' ')}`;
}

for (const [command, argument] of Object.entries({ spin: '-V', gcc: '--version' })) {
  if (spawnSync(command, [argument]).error !== undefined) {
    process.stderr.write(`error: ${command} is not there; install it, as by: apt-get install spin gcc libc6-dev\n`);
    process.exit(2);
  }
}
let failures = 0;
function report(isAsExpected, said, one, found) {
  if (!isAsExpected) failures++;
  process.stdout.write(`${said} ${describe(one)}: ${found}\n`);
}
for (const one of right) {
  const { error, states, isWhole } = explore(one);
  const holds = error === undefined && isWhole;
  report(holds, holds ? 'holds' : 'FAILS', one, error ?? `${String(states)} states${isWhole ? '' : ', not all'}`);
}
for (const one of wrong) {
  const { error } = explore(one);
  const isFound = error !== undefined;
  report(isFound, isFound ? 'found' : 'UNNOTICED', one, error ?? 'nothing breaks');
}
process.stdout.write(
  `${String(right.length)} that hold, ${String(wrong.length)} mistakes: ${String(failures)} not as expected\n`,
);
process.exitCode = failures === 0 ? 0 : 1;

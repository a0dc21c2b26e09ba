// What the apps must have put out, computed from the input log alone and without any code of the runtime.
import type { LogRecord } from '@tandem/harness';

export interface Output {
  readonly key: string | null;
  readonly value: string;
}

/** By sink, what one partition's inputs give, in order. */
export type Reference = (inputs: readonly LogRecord[]) => Readonly<Record<string, readonly Output[]>>;

export const countingReference: Reference = (inputs) => {
  const totals = new Map<string, { count: number; sum: number }>();
  const counts: Output[] = [];
  const bursts: Output[] = [];
  for (const { key, value } of inputs) {
    const { n } = JSON.parse(value) as { n: number };
    const before = totals.get(key ?? '') ?? { count: 0, sum: 0 };
    const count = before.count + 1;
    const sum = before.sum + n;
    totals.set(key ?? '', { count, sum });
    counts.push({ key, value: `{"n":${n.toString()},"count":${count.toString()},"sum":${sum.toString()}}` });
    if (count % 5 !== 0) continue;
    for (const part of ['0', '1', '2']) {
      bursts.push({ key, value: `{"n":${n.toString()},"count":${count.toString()},"part":${part}}` });
    }
  }
  return { counts, bursts };
};

/** The first place where the log is not what it must be; undefined when it is, whole. */
export function firstDifference(found: readonly LogRecord[], expected: readonly Output[]): string | undefined {
  for (let at = 0; at < Math.max(found.length, expected.length); at++) {
    const here = found[at];
    const due = expected[at];
    if (here !== undefined && here.key === due?.key && here.value === due.value) continue;
    const where = `output ${at.toString()} of ${expected.length.toString()} (${found.length.toString()} are there)`;
    return `${where}: due ${show(due)}, found ${show(here)}${explain(found, expected, at)}`;
  }
  return undefined;
}

function show(output: Output | undefined): string {
  return output === undefined ? 'nothing' : `${String(output.key)} ${output.value}`;
}

/** Lost, doubled or merely elsewhere. */
function explain(found: readonly LogRecord[], expected: readonly Output[], at: number): string {
  const same = (a: Output | undefined, b: Output | undefined) => a?.key === b?.key && a?.value === b?.value;
  const earlier = found.findIndex((record, index) => index < at && same(record, found[at]));
  const later = found.findIndex((record, index) => index > at && same(record, expected[at]));
  return [
    earlier < 0 ? '' : `; what was found is at ${earlier.toString()} already`,
    later < 0 ? '; what was due never comes' : `; what was due comes at ${later.toString()}`,
  ].join('');
}

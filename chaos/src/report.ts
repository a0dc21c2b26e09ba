// What a run comes to: the object of its last line, and a table for people.
import { summarise, type ArrivalClock, type Summary } from '@tandem/harness';
import type { Checked } from './checker.ts';
import type { Injection } from './injector.ts';

export interface Report {
  /** How many of each kind were injected. */
  readonly faults: Readonly<Record<string, number>>;
  readonly inputs: number;
  /** Records and rows that were published. */
  readonly outputs: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly failovers: number;
  readonly false_failovers: number;
  /** Of the longest silences at the reader, one for each fault; null where there was no fault. */
  readonly gap_ms: Summary;
  readonly seed: number;
}

/**
 * For each fault the longest time without an output, of those that began before it was over and ended after it began.
 * Where faults overlap a silence counts for each. NaN where no output came any more.
 */
export function gapsOf(injections: readonly Injection[], clock: ArrivalClock): readonly number[] {
  return injections.map(
    ({ at_ms, over_ms }) => clock.longestGap_ms(at_ms, clock.firstAfter_ms(over_ms) ?? Infinity) ?? NaN,
  );
}

export function makeReport(
  parts: {
    readonly injections: readonly Injection[];
    readonly gaps_ms: readonly number[];
    readonly inputs: number;
    readonly checked: Checked;
    readonly failovers: number;
    readonly false_failovers: number;
  },
  seed: number,
): Report {
  const { injections, gaps_ms, inputs, checked, failovers, false_failovers } = parts;
  const faults: Record<string, number> = {};
  for (const { fault } of injections) faults[fault.name] = (faults[fault.name] ?? 0) + 1;
  const { outputs, lost, duplicated, reordered } = checked;
  return {
    faults,
    inputs,
    outputs,
    lost,
    duplicated,
    reordered,
    failovers,
    false_failovers,
    gap_ms: summarise(gaps_ms.filter((gap_ms) => !Number.isNaN(gap_ms))),
    seed,
  };
}

/** One line for each kind: how many, and the longest silences. */
export function describeGaps(injections: readonly Injection[], gaps_ms: readonly number[]): readonly string[] {
  const byKind = new Map<string, number[]>();
  for (const [index, { fault }] of injections.entries()) {
    const gaps = byKind.get(fault.name) ?? [];
    byKind.set(fault.name, [...gaps, gaps_ms[index] ?? NaN]);
  }
  return [...byKind].map(([name, all]) => {
    const { p50, max } = summarise(all.filter((gap_ms) => !Number.isNaN(gap_ms)));
    return `${name.padEnd(16)} ${all.length.toString().padStart(3)}   gap p50 ${text(p50)}, max ${text(max)} ms`;
  });
}

function text(value_ms: number): string {
  return Number.isNaN(value_ms) ? '-' : value_ms.toFixed(0);
}

// The small types that every part of the configuration is made of: durations and sizes written for people.
import { z } from 'zod';

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnits: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

function withUnit(units: Readonly<Record<string, number>>, example: string) {
  const names = Object.keys(units).join(', ');
  return (text: string, context: z.RefinementCtx): number => {
    const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
    const factor = match === null ? undefined : units[match[2] ?? ''];
    if (match === null || factor === undefined) {
      context.addIssue({
        code: 'custom',
        message: `'${text}' has no unit; write it like ${example} (units: ${names})`,
      });
      return z.NEVER;
    }
    return Math.round(Number(match[1]) * factor);
  };
}

function bounded(
  value: number,
  least: number,
  most: number,
  context: z.RefinementCtx,
  show: (n: number) => string,
): void {
  if (value < least || value > most) {
    context.addIssue({ code: 'custom', message: `must be between ${show(least)} and ${show(most)}` });
  }
}

function showDuration(ms: number): string {
  return ms >= 1000 && ms % 1000 === 0 ? `${String(ms / 1000)}s` : `${String(ms)}ms`;
}

function showSize(bytes: number): string {
  return bytes >= 1024 ** 2 ? `${String(bytes / 1024 ** 2)}MiB` : `${String(bytes)}B`;
}

/** Text like `250ms`, `1s`, `2m`, `12h` or `7d`; the result is in ms. Bounds in ms, both included. */
export function duration(options: { readonly least_ms: number; readonly most_ms: number }) {
  return z
    .string()
    .transform(withUnit(durationUnits, '250ms or 30s'))
    .superRefine((value, context) => {
      bounded(value, options.least_ms, options.most_ms, context, showDuration);
    });
}

/** Text like `512KiB` or `64MiB`; the result is in bytes. Bounds in bytes, both included. */
export function size(options: { readonly least_bytes: number; readonly most_bytes: number }) {
  return z
    .string()
    .transform(withUnit(sizeUnits, '64MiB'))
    .superRefine((value, context) => {
      bounded(value, options.least_bytes, options.most_bytes, context, showSize);
    });
}

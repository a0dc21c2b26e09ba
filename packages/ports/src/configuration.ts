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
  showValue: (n: number) => string,
): void {
  if (value < least || value > most) {
    context.addIssue({ code: 'custom', message: `must be between ${showValue(least)} and ${showValue(most)}` });
  }
}

function show(value: number, units: Readonly<Record<string, number>>): string {
  const fitting = Object.entries(units).findLast(([, factor]) => value >= factor && value % factor === 0);
  const [unit, factor] = fitting ?? [Object.keys(units)[0] ?? '', 1];
  return `${String(value / factor)}${unit}`;
}

/** The largest unit that fits without a fraction: `90s`, `5m`. */
export function showDuration(ms: number): string {
  return show(ms, durationUnits);
}

/** The largest unit that fits without a fraction: `64MiB`. */
export function showSize(bytes: number): string {
  return show(bytes, sizeUnits);
}

/**
 * Text like `250ms`, `1s`, `2m`, `12h` or `7d`; the result is in ms. Bounds in ms, both included; they stand in the
 * schema's metadata too, for the configuration reference.
 */
export function duration(options: { readonly least_ms: number; readonly most_ms: number }) {
  return z
    .string()
    .transform(withUnit(durationUnits, '250ms or 30s'))
    .superRefine((value, context) => {
      bounded(value, options.least_ms, options.most_ms, context, showDuration);
    })
    .meta({ bounds: `${showDuration(options.least_ms)} to ${showDuration(options.most_ms)}` });
}

/** Text like `512KiB` or `64MiB`; the result is in bytes. Bounds in bytes, both included. */
export function size(options: { readonly least_bytes: number; readonly most_bytes: number }) {
  return z
    .string()
    .transform(withUnit(sizeUnits, '64MiB'))
    .superRefine((value, context) => {
      bounded(value, options.least_bytes, options.most_bytes, context, showSize);
    })
    .meta({ bounds: `${showSize(options.least_bytes)} to ${showSize(options.most_bytes)}` });
}

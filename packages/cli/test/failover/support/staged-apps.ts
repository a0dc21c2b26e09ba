// What runs on a stage: the apps of apps.ts, and the logs that each of them reads and writes.
import path from 'node:path';
import type { AppBinding } from '@tandem/harness';

const appModule = path.join(__dirname, 'apps.ts');
export const partitions = 4;
export const sinks = ['counts', 'bursts'] as const;

/** With logs of its own for what it puts out. */
export interface StagedApp {
  readonly name: 'tally' | 'twin' | 'moody';
  /** Log it reads. */
  readonly input: string;
  readonly lanes?: number;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export function outputLog(app: string, sink: string): string {
  return `${app}-${sink}`;
}

export function binding({ name, input, lanes, settings }: StagedApp): AppBinding {
  return {
    module: appModule,
    export: name,
    partitions,
    sources: { numbers: input },
    sinks: Object.fromEntries(sinks.map((sink) => [sink, outputLog(name, sink)])),
    ...(lanes !== undefined && { lanes }),
    ...(settings !== undefined && { settings }),
  };
}

// The node's log: one JSON object per line on standard output, never with a secret in it.
import { pino, type Logger } from 'pino';
import type { Configuration } from './configuration/load.ts';
import { hide } from './configuration/secrets.ts';
import type { Terminal } from './terminal.ts';

export const logLevels: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

export function createLog(configuration: Configuration, level: string, terminal: Pick<Terminal, 'out'>): Logger {
  const { pair, node, secrets } = configuration;
  return pino(
    {
      level,
      base: { pair, node: node.id },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write(line: string) {
        terminal.out(hide(line, secrets));
      },
    },
  );
}

// A terminal that remembers, and configurations for tests.
import { adapters } from '../src/adapters.ts';
import { parseConfiguration, type Configuration } from '../src/configuration/load.ts';
import type { Terminal } from '../src/terminal.ts';

export const goodConfiguration = `pair: orders
node: { id: a, listen: 127.0.0.1:7070 }
postgres: { url: postgres://me:open-sesame@127.0.0.1:5432/db }
coordinator: { postgres: {} }
store: { postgres: {} }
apps:
  - module: ./app.ts
    sources:
      orders: { postgres: { log: orders } }
    sinks:
      totals: { postgres: { log: totals } }
`;

export function parse(text: string, environment: Readonly<Record<string, string>> = {}): Configuration {
  return parseConfiguration('tandem.yaml', text, environment, adapters);
}

/** The lines of the error that a text is refused with. */
export function mistakesIn(text: string, environment: Readonly<Record<string, string>> = {}): string[] {
  try {
    parse(text, environment);
  } catch (error) {
    return (error as Error).message.split('\n');
  }
  return [];
}

export interface RecordedTerminal extends Terminal {
  readonly output: () => string;
  readonly errors: () => string;
  readonly exits: readonly number[];
  signal(name: NodeJS.Signals): void;
}

export function recordingTerminal(
  options: {
    environment?: Readonly<Record<string, string>>;
    /** There is a person; undefined: who leaves the question. */
    answers?: readonly (string | undefined)[];
    screen?: boolean;
  } = {},
): RecordedTerminal {
  const out: string[] = [];
  const errors: string[] = [];
  const exits: number[] = [];
  const listeners = new Set<(signal: NodeJS.Signals) => void>();
  const answers = [...(options.answers ?? [])];
  return {
    environment: options.environment ?? {},
    interactive: options.answers !== undefined,
    screen: options.screen ?? options.answers !== undefined,
    out: (text) => out.push(text),
    error: (text) => errors.push(text),
    outBytes(bytes) {
      out.push(Buffer.from(bytes).toString('latin1'));
      return Promise.resolve();
    },
    ask(question) {
      out.push(question);
      return Promise.resolve(answers.shift());
    },
    onSignal(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    exit: (code) => exits.push(code),
    output: () => out.join(''),
    errors: () => errors.join(''),
    exits,
    signal(name) {
      for (const listener of listeners) listener(name);
    },
  };
}

// tandem run: starts a node and stays until it has ended.
import { setFlagsFromString } from 'node:v8';
import { TandemError } from '@tandem/ports';
import type { NodeEnd } from '@tandem/control';
import { runNode } from '../composition.ts';
import { createLog, logLevels } from '../log.ts';
import { suggestion } from '../configuration/nearest.ts';
import { configurationOf, type TargetOptions } from '../targets.ts';
import type { Terminal } from '../terminal.ts';

export interface RunOptions extends TargetOptions {
  readonly logLevel?: string;
}

/** Ended by a second signal: like a shell reports it. */
const signalCodes: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 130, SIGTERM: 143 };

export async function run(options: RunOptions, terminal: Terminal): Promise<number> {
  const level = options.logLevel;
  if (level !== undefined && !logLevels.includes(level)) {
    throw new TandemError('log-level', `'${level}' is not a log level. ${suggestion(level, logLevels)}`, {
      blame: 'user',
    });
  }
  // What a takeover needs is seldom run: its compiled form is kept, so that it is not compiled anew just then.
  setFlagsFromString('--no-flush-bytecode');
  // The main thread makes few objects. Space for young ones that has grown once stays: 30 MB that the kernel must take
  // back before it closes the connections of a process that was killed. Lanes, which need it, are not concerned.
  setFlagsFromString('--semi-space-growth-factor=1');
  const configuration = configurationOf(options, terminal);
  const log = createLog(configuration, level ?? configuration.logLevel, terminal);

  let stop: (() => void) | undefined;
  let asked = false;
  const release = terminal.onSignal((signal) => {
    const code = signalCodes[signal] ?? 1;
    // Until the node is up there is nothing to hand over.
    if (asked || stop === undefined) {
      log.warn({ signal }, 'ending at once');
      terminal.exit(code);
      return;
    }
    asked = true;
    log.info({ signal }, 'stopping; once more to end at once');
    stop();
  });
  try {
    const handle = await runNode(configuration, log);
    log.info({ address: handle.address, incarnation: handle.incarnation }, 'node started');
    stop = () => void handle.stop();
    return exitCode(await handle.ended, terminal);
  } finally {
    release();
  }
}

function exitCode(end: NodeEnd, terminal: Terminal): number {
  if (end.blame === 'none') return 0;
  terminal.error(`tandem: ${end.detail}\n`);
  return end.blame === 'user' ? 2 : 1;
}

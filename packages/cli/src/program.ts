// The command line: names, options and help texts. What each command does is in commands/.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { TandemError, toError } from '@tandem/ports';
import { doctor, type DoctorOptions } from './commands/doctor.ts';
import { reset, type ResetOptions } from './commands/reset.ts';
import { run, type RunOptions } from './commands/run.ts';
import {
  downloadSnapshot,
  listSnapshots,
  takeSnapshot,
  type DownloadOptions,
  type ListOptions,
} from './commands/snapshot.ts';
import { status, type StatusOptions } from './commands/status.ts';
import { switchover } from './commands/switchover.ts';
import { validate, type ValidateOptions } from './commands/validate.ts';
import { hide } from './configuration/secrets.ts';
import type { TargetOptions } from './targets.ts';
import type { Terminal } from './terminal.ts';
import { version } from './version.ts';

const introduction =
  'Runs stateful stream-processing applications as a pair of nodes: one publishes, the other follows and takes over ' +
  'within milliseconds when the first one dies.\n\n' +
  'Each node is started with "tandem run" and a configuration file. The other commands look at a running pair or ' +
  'change it; they find it through the same file, or through --url.';

const environmentHelp = `
Environment:
  TANDEM_CONFIG  configuration file, instead of --config (default ./tandem.yaml)
  TANDEM_URL     address of a node, instead of --url
  TANDEM_TOKEN   token, instead of --token

Exit codes: 0 all is well, 1 something failed or is not well, 2 a mistake in the command or the configuration.`;

const configOption = () =>
  new Option('-c, --config <file>', 'configuration file (TANDEM_CONFIG; default ./tandem.yaml)');

function withTarget(command: Command): Command {
  return command
    .addOption(configOption())
    .option('--url <url>', 'ask this node and the others it knows, instead of reading a configuration (TANDEM_URL)')
    .option(
      '--token <token>',
      'token of the pair (TANDEM_TOKEN; better not on the command line, where others can see it)',
    );
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

type Done = (code: number) => void;

function makeProgram(terminal: Terminal, done: Done): Command {
  const program = new Command('tandem')
    .description(introduction)
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help, or that of a command')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', environmentHelp)
    .showHelpAfterError('(tandem --help lists the commands)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        terminal.out(text);
      },
      writeErr: (text) => {
        terminal.error(text.replace(/^error: /, 'tandem: '));
      },
    });

  program
    .command('run')
    .summary('start a node and stay until it is stopped')
    .description(
      'Starts a node. It joins its pair, takes the state of its applications from the other node or from the newest ' +
        'revision, and publishes when it is the active one. SIGTERM or Ctrl-C hands over to the other node, then ends; ' +
        'a second one ends at once. Logs go to standard output, one JSON object per line.',
    )
    .addOption(configOption())
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent (default: logging.level)')
    .action(async (options: RunOptions) => {
      done(await run(options, terminal));
    });

  program
    .command('validate')
    .summary('check a configuration without starting anything')
    .description(
      'Checks the configuration, loads the applications, compares what they declare with what they are connected to, ' +
        'and reaches every system that is used.',
    )
    .addOption(configOption())
    .option('--offline', 'connect to nothing')
    .action(async (options: ValidateOptions) => {
      done(await validate(options, terminal));
    });

  program
    .command('doctor')
    .summary('look at everything that the configuration names and say what would hurt')
    .description(
      'Reaches every system and every running node, and compares time-outs, limits, settings, clocks and versions ' +
        'with what the configuration needs. Changes nothing. Exit code 1 when something is found that keeps the pair ' +
        'from keeping its promises.',
    )
    .addOption(configOption())
    .option('--json', 'as JSON')
    .action(async (options: DoctorOptions) => {
      done(await doctor(options, terminal));
    });

  withTarget(program.command('status'))
    .summary('show the pair: roles, applications, positions, and what is wrong')
    .description('Asks every node of the pair. Exit code 1 when none is active.')
    .option('-w, --watch', 'again every second, until Ctrl-C; into a file or pipe only what has changed')
    .option('--json', 'as JSON; with --watch one object per line')
    .action(async (options: StatusOptions) => {
      done(await status(options, terminal));
    });

  withTarget(program.command('switchover'))
    .summary('hand over from the active node to the other one')
    .description(
      'Asks the active node to hand over. Nothing is lost or published twice; refused where the other is not in sync.',
    )
    .action(async (options: TargetOptions) => {
      done(await switchover(options, terminal));
    });

  const snapshot = program
    .command('snapshot')
    .summary('take, list and download snapshots of an application')
    .description('A revision is a snapshot that is kept in the store: positions, state and outputs not yet published.')
    .exitOverride();
  withTarget(snapshot.command('take <app>'))
    .description('have the active node take and store a revision now')
    .action(async (app: string, options: TargetOptions) => {
      done(await takeSnapshot(app, options, terminal));
    });
  withTarget(snapshot.command('list <app>'))
    .description('list the revisions that are kept, newest first')
    .option('--json', 'as JSON')
    .action(async (app: string, options: ListOptions) => {
      done(await listSnapshots(app, options, terminal));
    });
  withTarget(snapshot.command('download <app>'))
    .description('save a revision to a file (gzip)')
    .option('--revision <n>', 'which one (default: the newest)', wholeNumber)
    .option('-o, --output <file>', 'file to write, - for standard output (default: <app>.revision-<n>.gz)')
    .action(async (app: string, options: DownloadOptions) => {
      done(await downloadSnapshot(app, options, terminal));
    });

  program
    .command('reset <app>')
    .summary("delete an application's state, for a fresh start")
    .description(
      'Deletes the revisions of an application and the record of where it began. Shows what it would delete and asks. ' +
        'Stop every node of the pair first. Safe to repeat when it was interrupted.',
    )
    .addOption(configOption())
    .option('-y, --yes', 'do not ask')
    .option('--force', 'even though a node is alive')
    .option(
      '--republish',
      'forget what has been published, too: every output is published again, consumers see duplicates',
    )
    .option(
      '--release-inputs',
      'give up its hold on the records of input logs, too: for an application that does not come back',
    )
    .action(async (app: string, options: ResetOptions) => {
      done(await reset(app, options, terminal));
    });

  return program;
}

/** Runs one command line (without node and script). @returns the exit code; says what went wrong on `terminal.error`. */
export async function main(words: readonly string[], terminal: Terminal): Promise<number> {
  let code = 0;
  const program = makeProgram(terminal, (result) => {
    code = result;
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    terminal.error(`${describe(error)}\n`);
    return error instanceof TandemError && error.blame === 'user' ? 2 : 1;
  }
}

/** Mistakes in a file begin with its name, as editors like it; everything else with ours. */
function describe(error: unknown): string {
  const { message, stack } = toError(error);
  if (!(error instanceof TandemError)) return `tandem: something broke that should not: ${hide(stack ?? message, [])}`;
  const inFile = error.code === 'configuration' || error.code === 'app';
  return inFile ? message : `tandem: ${hide(message, [])}`;
}

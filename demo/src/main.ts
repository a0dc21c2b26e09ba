// npm run demo: the systems, two nodes and a stream of inputs on this machine, and a way to break them.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { whole } from '@tandem/harness';
import { runHeadless } from './headless.ts';
import { Interactive } from './interactive.ts';
import { DemoError, Stage } from './stage.ts';
import { stackNames, type StackName } from './systems.ts';

interface Options {
  readonly stack: StackName;
  readonly headless?: boolean;
  readonly kills: number;
  readonly json?: boolean;
  readonly keep?: boolean;
  readonly reset?: boolean;
  readonly rate: number;
  readonly name?: string;
}

const ports = { a: 7070, b: 7071 };

function demoName(text: string): string {
  if (/^[a-z][a-z0-9-]{0,30}$/.test(text)) return text;
  throw new InvalidArgumentError('must be lower-case letters, digits and dashes');
}

function parse(): Options {
  return new Command('demo')
    .description('Two nodes, their systems and a stream of inputs on this machine. Keys: k f s r q.')
    .option('--headless', 'kill the active by itself, check every output, print one JSON line last')
    .option('--kills <n>', 'with --headless: how many times', whole(0, 10_000), 5)
    .option('--json', 'with --headless: progress goes to standard error')
    .addOption(
      new Option('--stack <name>', 'what the pair runs on; kafka: Kafka, ZooKeeper and PostgreSQL (needs Java)')
        .choices([...stackNames])
        .default('postgres'),
    )
    .option('--keep', 'leave the servers running for a look')
    .option('--reset', 'begin anew instead of continuing an earlier run')
    .option('--rate <n>', 'inputs per second', whole(2, 100_000), 400)
    .option('--name <name>', 'to run beside another demo: its own nodes, logs and state', demoName)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => {
        write(`${text.trim().replace(/\s*\n\s*/g, ' ')}\n`);
      },
    })
    .parse()
    .opts<Options>();
}

async function main(options: Options): Promise<void> {
  const headless = options.headless === true;
  const say = (line: string) => {
    (options.json === true ? process.stderr : process.stdout).write(`${line}\n`);
  };
  const stop = new AbortController();
  const running: { stage?: Stage } = {};
  const onSignal = () => {
    // The second time somebody is in a hurry.
    if (stop.signal.aborted) void running.stage?.close({ force: true });
    stop.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  // The terminal is closed: nothing can be said any more, but everything must still be ended.
  process.stdout.on('error', onSignal);
  process.stderr.on('error', onSignal);

  const stage = await Stage.prepare({
    stack: options.stack,
    name: options.name ?? (headless ? 'demo-headless' : 'demo'),
    // Every headless run is checked from its beginning.
    reset: headless || options.reset === true,
    keep: options.keep === true,
    rate_per_s: options.rate,
    ports: headless ? {} : ports,
    say,
  });
  running.stage = stage;
  try {
    stop.signal.throwIfAborted();
    if (headless) {
      const result = await runHeadless(stage, options.kills, say, stop.signal);
      process.stdout.write(`${JSON.stringify(result)}\n`);
      if (result.lost + result.duplicated + result.reordered > 0) process.exitCode = 1;
    } else {
      await stage.begin(stop.signal);
      await new Interactive(stage, stop).run();
    }
  } catch (thrown) {
    if (!stop.signal.aborted || stage.failure !== undefined) throw thrown;
    if (headless) process.exitCode = 130;
  } finally {
    if (!headless) say('stopping');
    await stage.close();
    if (options.keep === true) for (const line of stage.systems.addresses) say(line);
  }
}

try {
  await main(parse());
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    process.exitCode = thrown.exitCode === 0 ? 0 : 2;
  } else {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    process.stderr.write(thrown instanceof DemoError ? `${message}\n` : `demo failed: ${message}\n`);
    process.exitCode = 1;
  }
}

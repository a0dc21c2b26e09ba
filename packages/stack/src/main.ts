// npm run stack -- up | down | status | install
import { parseArgs } from 'node:util';
import { EmbeddedError } from '@tandem/embedded';
import { TandemError } from '@tandem/ports';
import { stackError } from './error.ts';
import { installJava } from './java.ts';
import { prepare } from './prepare.ts';
import { services } from './services.ts';
import { down, standings, up, type Standing } from './stack.ts';

const usage = `usage: npm run stack -- <command>

  up [--no-docker]   Kafka, ZooKeeper and PostgreSQL: those named by TANDEM_KAFKA, TANDEM_ZOOKEEPER and DATABASE_URL,
                     else by Docker Compose, else as processes. They go on running. Prints a line to export for each
  status             what runs; exit code 0 when all of it answers, else 3
  down               ends what "up" started; its data stays in .tandem/stack (or in Docker's volumes)
  install            gets Java, Maven, Kafka and ZooKeeper, by apt-get as root where they are missing`;

const notUp = 3;

async function main(args: readonly string[]): Promise<number> {
  const { command, docker } = parse(args);
  switch (command) {
    case 'help':
      print(usage);
      return 0;
    case 'up':
      for (const standing of showing(await up({ docker }, say))) {
        print(`export ${standing.service.variable}=${quoted(standing.address)}`);
      }
      return 0;
    case 'status':
      return await status();
    case 'down':
      if ((await down(say)).length === 0) say('Nothing of it is running.');
      return 0;
    case 'install':
      await installJava(say);
      for (const set of ['kafka-4.1', 'kafka-3.9', 'zookeeper-3.9'] as const) {
        say(`Preparing ${set}`);
        await prepare(set);
      }
      return 0;
    default:
      throw stackError('stack-usage', `unknown command '${command}'. Commands: up, down, status, install`);
  }
}

function parse(args: readonly string[]): { readonly command: string; readonly docker: boolean } {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { 'no-docker': { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    const [command = 'help', ...more] = positionals;
    if (more.length > 0) throw new Error(`'${more.join(' ')}' after '${command}' means nothing`);
    const noDocker = values['no-docker'] === true;
    if (noDocker && command !== 'up') throw new Error('--no-docker goes with up only');
    return { command: values.help === true ? 'help' : command, docker: !noDocker };
  } catch (thrown) {
    // Node adds a sentence about arguments that begin with a dash.
    const [line = ''] = (thrown instanceof Error ? thrown.message : String(thrown)).split(/\. |\n/);
    throw stackError('stack-usage', `${line}. See: npm run stack -- --help`, thrown);
  }
}

async function status(): Promise<number> {
  const there = await standings();
  const lines = services.map((service) => {
    const standing = there.find((one) => one.service === service);
    return standing === undefined ? `${service.title.padEnd(12)}down` : line(standing);
  });
  print(lines.join('\n'));
  return there.length === services.length && there.every(({ answers }) => answers) ? 0 : notUp;
}

function showing(all: readonly Standing[]): readonly Standing[] {
  for (const standing of all) say(line(standing));
  return all;
}

function line({ service, source, address, pid, answers }: Standing): string {
  const from = {
    environment: `from ${service.variable}`,
    docker: 'in Docker',
    process: `process ${String(pid)}`,
  }[source];
  return `${service.title.padEnd(12)}${answers ? 'up' : 'does not answer'}  ${withoutPassword(address)}  (${from})`;
}

function withoutPassword(address: string): string {
  return address.replace(/^(\w+:\/\/[^:/@]*):[^@]*@/, '$1:...@');
}

function quoted(text: string): string {
  return /^[\w.,:/@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** For people; what is on the standard output can be evaluated by a shell. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (thrown: unknown) => {
    const known = thrown instanceof TandemError || thrown instanceof EmbeddedError;
    say(known ? `${thrown.code}: ${thrown.message}` : String(thrown instanceof Error ? thrown.stack : thrown));
    process.exitCode = thrown instanceof TandemError && thrown.blame === 'user' ? 2 : 1;
  },
);

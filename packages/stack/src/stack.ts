// Brings the stack up, tells how it is, and takes it down. Each service comes from the environment, from Docker or from
// a process of this machine, in this order; what was brought up is noted for later commands.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { until } from '@tandem/embedded';
import { composeDown, composeUp, whyNoDocker } from './docker.ts';
import { stackError } from './error.ts';
import { choosePorts } from './network.ts';
import { upFolder } from './place.ts';
import { services, type Service } from './services.ts';

export type Say = (line: string) => void;

export type Source = 'environment' | 'docker' | 'process';

export interface Standing {
  readonly service: Service;
  readonly source: Source;
  readonly address: string;
  /** Of a process. */
  readonly pid: number | undefined;
  readonly answers: boolean;
}

/** By service: what the last `up` gave; no source after `down`. */
type Notes = Partial<Record<Service['name'], { readonly address: string; readonly source?: Source }>>;

const answerLimit_ms = 60_000;

/** @throws TandemError; what did start then goes on. */
export async function up(options: { readonly docker: boolean }, say: Say): Promise<readonly Standing[]> {
  const before = await standings();
  for (const { service, source, answers } of before) {
    if (source === 'environment' && !answers) {
      throw stackError(
        'stack-unreachable',
        `${service.title} does not answer at the address in ${service.variable}. Start it there, or unset the variable`,
      );
    }
  }
  const missing = services.filter((service) => !before.some((one) => one.service === service && one.answers));
  // A process that is there but does not answer is replaced by another process.
  const stuck = before.some(({ source, answers }) => source === 'process' && !answers);
  if (missing.length > 0) {
    const why = stuck ? 'in place of one that does not answer' : await whyProcesses(options.docker);
    if (why === undefined) {
      say(`Starting ${listed(missing)} by Docker Compose`);
      await startContainers(missing);
    } else {
      for (const service of missing) {
        say(`Starting ${service.title} as a process (${why})`);
        const { address } = await service.start();
        await note({ [service.name]: { address, source: 'process' } });
      }
    }
  }
  return await standings();
}

async function whyProcesses(docker: boolean): Promise<string | undefined> {
  return docker ? await whyNoDocker() : 'without Docker, as asked';
}

async function startContainers(missing: readonly Service[]): Promise<void> {
  const ports = await choosePorts(missing.map(({ defaultPort }) => defaultPort));
  const placed = missing.map((service, index) => ({ service, port: ports[index] ?? 0 }));
  await composeUp(
    missing.map(({ name }) => name),
    Object.fromEntries(placed.map(({ service, port }) => [portVariable(service), port.toString()])),
  );
  for (const { service, port } of placed) {
    const address = service.inDocker(port);
    await note({ [service.name]: { address, source: 'docker' } });
    const answered = await until(answerLimit_ms, 200, async () => (await service.answers(address)) || undefined);
    if (answered !== true) {
      throw stackError(
        'stack-docker',
        `${service.title} runs in its container but does not answer at ${address}. ` +
          `See "docker compose --file docker/compose.yaml logs ${service.name}"`,
      );
    }
  }
}

/** As in docker/compose.yaml. */
function portVariable({ name }: Service): string {
  return `TANDEM_${name.toUpperCase()}_PORT`;
}

/** What there is of the stack, each service at most once. */
export async function standings(): Promise<readonly Standing[]> {
  const notes = await readNotes();
  const all: Standing[] = [];
  for (const service of services) {
    const noted = notes[service.name];
    const given = process.env[service.variable];
    // The addresses that `up` printed are often in the environment of the shell that asks.
    if (given !== undefined && given !== '' && (given !== noted?.address || noted.source === 'environment')) {
      all.push(await ask(service, 'environment', given));
      continue;
    }
    const found = await service.find();
    if (found !== undefined) all.push(await ask(service, 'process', found.address, found.pid));
    else if (noted?.source === 'docker') all.push(await ask(service, 'docker', noted.address));
  }
  return all;
}

async function ask(service: Service, source: Source, address: string, pid?: number): Promise<Standing> {
  return { service, source, address, pid, answers: await service.answers(address) };
}

/** Ends what `up` started, by process id or by Docker Compose. Data stays where it is. @returns what was ended. */
export async function down(say: Say): Promise<readonly string[]> {
  const notes = await readNotes();
  const ended: string[] = [];
  for (const service of services) {
    const found = await service.find();
    if (found === undefined) continue;
    say(`Stopping ${service.title} (process ${found.pid.toString()})`);
    await found.stop();
    ended.push(service.title);
  }
  const contained = services.filter(({ name }) => notes[name]?.source === 'docker');
  if (contained.length > 0) {
    say(`Stopping ${listed(contained)} by Docker Compose`);
    await composeDown();
    ended.push(...contained.map(({ title }) => title));
  }
  await note(
    Object.fromEntries(
      Object.entries(notes).map(([name, { address }]: [string, { address: string }]) => [name, { address }]),
    ),
  );
  return ended;
}

function listed(some: readonly Service[]): string {
  return some.map(({ title }) => title).join(', ');
}

const notesFile = path.join(upFolder, 'stack.json');

async function readNotes(): Promise<Notes> {
  const text = await readFile(notesFile, 'utf8').catch(() => '{}');
  return JSON.parse(text) as Notes;
}

async function note(more: Notes): Promise<void> {
  await mkdir(upFolder, { recursive: true });
  const notes = { ...(await readNotes()), ...more };
  // It holds the password of a database on loopback.
  await writeFile(`${notesFile}.part`, JSON.stringify(notes, undefined, 2), { mode: 0o600 });
  await rename(`${notesFile}.part`, notesFile);
}

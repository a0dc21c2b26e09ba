// A pair of real node processes: their configuration files, their HTTP doors, and what happens to them.
import { writeFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import path from 'node:path';
import { stringify } from 'yaml';
import { freePort, NodeProcess } from './node-process.ts';
import { endLeftovers, pidFile } from './leftovers.ts';
import type { Logs } from './logs.ts';
import { PostgresLogs } from './postgres-logs.ts';
import { Reaper } from './reaper.ts';
import { until, waitFor } from './waiting.ts';

export interface AppBinding {
  /** Absolute, or relative to the checkout. */
  readonly module: string;
  readonly export?: string;
  readonly lanes?: number;
  /** Source name to log name; logs are made with `partitions` when they are missing. */
  readonly sources: Readonly<Record<string, string>>;
  readonly sinks: Readonly<Record<string, string>>;
  readonly partitions: number;
  /** Beside what is above, for instance `queue`. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface PairOptions {
  readonly name: string;
  /** The checkout, where packages/cli is. */
  readonly root: string;
  /** For configuration files and logs of the nodes. */
  readonly folder: string;
  /** Of the snapshot store, of the coordinator unless ZooKeeper is, and of the logs unless they are elsewhere. */
  readonly databaseUrl: string;
  /** Where sources and sinks are; default: in that database. */
  readonly logs?: Pick<Logs, 'binding' | 'sections'>;
  /** host:port of the coordinator. */
  readonly zookeeper?: string;
  readonly apps: readonly AppBinding[];
  readonly nodes?: readonly string[];
  /** By node, where they are free; default: any. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Sections over ours, for instance `persistence`. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Into the `node` section of each, for instance `advertise`. */
  readonly nodeSettings?: (id: string, port: number) => Readonly<Record<string, unknown>>;
  /** Sections of one node alone, over all others, for instance its own way to a system. */
  readonly ownSections?: (id: string) => Readonly<Record<string, unknown>>;
  /** For Node.js itself, for instance to have it profiled. */
  readonly nodeFlags?: readonly string[];
}

/** What a node says of itself; undefined parts when it does not answer. */
export interface NodeView {
  readonly id: string;
  readonly pid: number | undefined;
  readonly alive: boolean;
  readonly frozen: boolean;
  readonly role: string | undefined;
  readonly epoch: number | undefined;
}

interface Member {
  readonly id: string;
  readonly port: number;
  readonly configFile: string;
  readonly logFile: string;
  process: NodeProcess | undefined;
}

const askLimit_ms = 1000;

export class Pair {
  readonly #options: PairOptions;
  readonly #members: readonly Member[];
  readonly #reaper = new Reaper();

  private constructor(options: PairOptions, members: readonly Member[]) {
    this.#options = options;
    this.#members = members;
  }

  /** Ends nodes that an earlier run in this folder left behind and writes the configuration; nothing is started. */
  static async create(options: PairOptions): Promise<Pair> {
    await mkdir(options.folder, { recursive: true });
    const ids = options.nodes ?? ['a', 'b'];
    await endLeftovers(options.folder, ids);
    const members: Member[] = [];
    for (const id of ids) {
      const port = await freePort(options.ports?.[id]);
      const configFile = path.join(options.folder, `${id}.yaml`);
      // 0600: the database's URL holds its password.
      await writeFile(configFile, stringify(configuration(options, id, port)), { mode: 0o600 });
      members.push({ id, port, configFile, logFile: path.join(options.folder, `${id}.log`), process: undefined });
    }
    return new Pair(options, members);
  }

  get ids(): readonly string[] {
    return this.#members.map(({ id }) => id);
  }

  address(id: string): string {
    return `http://127.0.0.1:${this.#member(id).port.toString()}`;
  }

  logFile(id: string): string {
    return this.#member(id).logFile;
  }

  process(id: string): NodeProcess | undefined {
    return this.#member(id).process;
  }

  /** Does nothing when it runs. */
  start(id: string): NodeProcess {
    const member = this.#member(id);
    if (member.process !== undefined && member.process.ended === undefined) return member.process;
    const { root, nodeFlags } = this.#options;
    member.process = new NodeProcess(
      {
        script: path.join(root, 'packages', 'cli', 'bin', 'tandem.mjs'),
        args: ['run', '--config', member.configFile],
        ...(nodeFlags !== undefined && { nodeFlags }),
        cwd: root,
        logFile: member.logFile,
      },
      this.#reaper,
    );
    writeFileSync(pidFile(this.#options.folder, id), member.process.pid.toString());
    return member.process;
  }

  signal(id: string, signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#member(id).process?.signal(signal);
  }

  /** Until every node that was started is ready and one is active; @returns which. @throws Error that says why not. */
  async ready(limit_ms = 60_000, signal?: AbortSignal): Promise<string> {
    const deadline = { limit_ms, pause_ms: 50, ...(signal !== undefined && { signal }) };
    let why = '';
    const active = await until(deadline, async () => {
      await this.#refuseDead();
      const started = this.#members.filter((member) => member.process !== undefined);
      const answers = await Promise.all(started.map(({ id }) => this.#ask(id, 'GET', '/readyz', askLimit_ms)));
      why = started
        .map(({ id }, index) => `${id}: ${answers[index]?.body.trim().replaceAll('\n', ', ') ?? 'no answer'}`)
        .join('; ');
      return answers.every((answer) => answer?.status === 200) ? await this.active() : undefined;
    });
    if (active === undefined) {
      throw new Error(
        `the pair is not ready after ${(limit_ms / 1000).toString()} s (${why}). Logs: ${this.#options.folder}`,
      );
    }
    return active;
  }

  /** The node that says it is active; undefined when none or more than one does. */
  async active(): Promise<string | undefined> {
    const ids = this.ids.filter((id) => this.#isUp(id));
    const answers = await Promise.all(ids.map((id) => this.#answersOk(id, '/active')));
    const active = ids.filter((_, index) => answers[index]);
    return active.length === 1 ? active[0] : undefined;
  }

  async waitActive(options: { readonly not?: string; readonly limit_ms?: number } = {}): Promise<string> {
    const what = `a node${options.not === undefined ? '' : ` other than ${options.not}`} is active`;
    return await waitFor(what, { limit_ms: options.limit_ms ?? 30_000, pause_ms: 5 }, async () => {
      const active = await this.active();
      return active === options.not ? undefined : active;
    });
  }

  async views(): Promise<readonly NodeView[]> {
    return await Promise.all(
      this.#members.map(async ({ id, process }) => {
        const alive = process !== undefined && process.ended === undefined;
        const report = alive && !process.frozen ? await this.get<NodeAnswer>(id, '/v1/node') : undefined;
        return {
          id,
          pid: process?.pid,
          alive,
          frozen: process?.frozen ?? false,
          role: report?.role,
          epoch: report?.epoch ?? undefined,
        };
      }),
    );
  }

  /** Of a node's answer, whatever it is; undefined when it gives none. */
  async status(id: string, route: string): Promise<number | undefined> {
    return (await this.#ask(id, 'GET', route, askLimit_ms))?.status;
  }

  /** The JSON of a node's answer; undefined when it gives none or an error. */
  async get<T>(id: string, route: string): Promise<T | undefined> {
    const answer = await this.#ask(id, 'GET', route, askLimit_ms);
    return answer === undefined || answer.status !== 200 ? undefined : (JSON.parse(answer.body) as T);
  }

  /** @throws Error with the problem's own text, or when the node does not answer. */
  async post<T>(id: string, route: string, limit_ms = 30_000): Promise<T> {
    const answer = await this.#ask(id, 'POST', route, limit_ms);
    if (answer === undefined) throw new Error(`node ${id} does not answer POST ${route}`);
    if (answer.status >= 400) throw new Error(`node ${id} refused POST ${route}: ${answer.body}`);
    return JSON.parse(answer.body) as T;
  }

  /** The passive first, so that the active's last outputs are not taken over for nothing. */
  async stop(limit_ms = 10_000): Promise<void> {
    const active = await this.active().catch(() => undefined);
    const stop = async ({ process }: Member) => {
      await process?.stop(limit_ms);
    };
    await Promise.all(this.#members.filter(({ id }) => id !== active).map(stop));
    await Promise.all(this.#members.map(stop));
    await this.#reaper.close();
  }

  /** At once, by force. */
  async kill(): Promise<void> {
    for (const { process } of this.#members) process?.signal('SIGKILL');
    for (const { process } of this.#members) await process?.exited;
    await this.#reaper.close();
  }

  /** The end of a node's log, for people who have to find out why. */
  async logTail(id: string, lines = 5): Promise<string> {
    const text = await readFile(this.logFile(id), 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }

  #isUp(id: string): boolean {
    const { process } = this.#member(id);
    return process !== undefined && process.ended === undefined && !process.frozen;
  }

  /** A node that ended by itself will not become ready: better to say why now. */
  async #refuseDead(): Promise<void> {
    for (const { id, process } of this.#members) {
      if (process?.ended?.startsWith('exit code') === true) {
        throw new Error(`node ${id} ended by itself (${process.ended}): ${await this.logTail(id)}`);
      }
    }
  }

  async #answersOk(id: string, route: string): Promise<boolean> {
    return (await this.#ask(id, 'GET', route, askLimit_ms))?.status === 200;
  }

  #member(id: string): Member {
    const found = this.#members.find((member) => member.id === id);
    if (found === undefined) throw new Error(`no node '${id}' in pair ${this.#options.name}`);
    return found;
  }

  #ask(id: string, method: string, route: string, limit_ms: number): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const asked = request(
        // A new connection each time: a kept one would say nothing of a node that was started anew.
        { host: '127.0.0.1', port: this.#member(id).port, path: route, method, agent: false, timeout: limit_ms },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (text: string) => (body += text));
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, body });
          });
          response.on('error', () => {
            resolve(undefined);
          });
        },
      );
      asked.on('timeout', () => asked.destroy());
      asked.on('error', () => {
        resolve(undefined);
      });
      asked.end();
    });
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface NodeAnswer {
  readonly role: string;
  readonly epoch: number | null;
}

function configuration(options: PairOptions, id: string, port: number): unknown {
  const { zookeeper, logs = new PostgresLogs(options.databaseUrl) } = options;
  const bind = (names: Readonly<Record<string, string>>, partitions: number) =>
    Object.fromEntries(Object.entries(names).map(([name, log]) => [name, logs.binding(log, partitions)]));
  const sessionTimeout = '1s';
  return {
    pair: options.name,
    node: { id, listen: `127.0.0.1:${port.toString()}`, ...options.nodeSettings?.(id, port) },
    coordinator: zookeeper === undefined ? { postgres: { sessionTimeout } } : { zookeeper: { sessionTimeout } },
    store: { postgres: {} },
    postgres: { url: options.databaseUrl },
    ...(zookeeper !== undefined && { zookeeper: { connect: zookeeper } }),
    ...logs.sections,
    // A pair that starts together asks for state before there is any: the default waits a minute to ask again.
    stateSync: { retry: '1s' },
    ...options.settings,
    ...options.ownSections?.(id),
    apps: options.apps.map((app) => ({
      module: path.resolve(options.root, app.module),
      ...(app.export !== undefined && { export: app.export }),
      ...(app.lanes !== undefined && { lanes: app.lanes }),
      sources: bind(app.sources, app.partitions),
      sinks: bind(app.sinks, app.partitions),
      ...app.settings,
    })),
  };
}

// What a file of failover tests runs on: logs and a database of its own, a pair of real node processes, inputs, and the check
// of every output against the reference.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Feed, Pair, until, waitFor, type Logs, type PairOptions } from '@tandem/harness';
import pg from 'pg';
import { Outputs } from './outputs.ts';
import { binding, outputLog, partitions, type StagedApp } from './staged-apps.ts';
import { surround, type Holder, type OwnServers, type StackName, type Surroundings } from './stacks.ts';

const root = path.resolve(__dirname, '../../../../..');

/** Between questions that take seconds to come true: asked more often they would take what the nodes need for it. */
const patient_ms = 100;

export interface StageOptions {
  /** Default: everything in PostgreSQL. */
  readonly stack?: StackName;
  /** Default: a fresh database of the shared server. */
  readonly url?: string;
  /** Default: the shared ones. */
  readonly servers?: OwnServers;
  readonly apps?: readonly StagedApp[];
  readonly nodes?: readonly string[];
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly nodeSettings?: PairOptions['nodeSettings'];
}

/** What a node says of itself and of its apps. */
interface NodeReport {
  readonly node: string;
  readonly incarnation: string;
  readonly role: string;
  readonly epoch: number | null;
  readonly coordinator: { readonly connected: boolean };
  readonly link: { readonly open: boolean; readonly peer: string | null };
  readonly troubles: readonly string[];
}

export interface AppSummary {
  readonly app: string;
  readonly condition: string;
  readonly output: string;
  readonly reason: string | null;
  readonly restarts: number;
}

export class Stage {
  readonly url: string;
  readonly pair: Pair;
  readonly folder: string;
  readonly apps: readonly StagedApp[];
  readonly #feeds = new Map<string, Feed>();
  readonly #closing: (() => Promise<unknown>)[] = [];
  /** Appends may fail then, and their answers may be lost. */
  serverGoesAway = false;
  readonly #surroundings: Surroundings;
  readonly #outputs: Outputs;
  #client: pg.Client | undefined;

  private constructor(surroundings: Surroundings, folder: string, apps: readonly StagedApp[], pair: Pair) {
    this.#surroundings = surroundings;
    this.url = surroundings.url;
    this.folder = folder;
    this.apps = apps;
    this.pair = pair;
    this.#outputs = new Outputs({
      logs: surroundings.logs,
      feed: (log) => this.feed(log),
      mayLoseAnswers: () => this.serverGoesAway,
      logEnd: (log) => this.logEnd(log),
    });
  }

  /** Nothing is started yet. */
  static async open(options: StageOptions = {}): Promise<Stage> {
    const folder = await mkdtemp(path.join(tmpdir(), 'tandem-failover-'));
    const surroundings = await surround(options.stack ?? 'postgres', options.url, options.servers);
    const { url, logs, zookeeper } = surroundings;
    const apps = options.apps ?? [{ name: 'tally', input: 'in' }];
    const pair = await Pair.create({
      name: surroundings.pair,
      root,
      folder,
      databaseUrl: url,
      logs,
      ...(zookeeper !== undefined && { zookeeper }),
      apps: apps.map(binding),
      settings: {
        persistence: { interval: '1s' },
        stateSync: { retry: '1s' },
        ...options.settings,
      },
      ...(options.nodes !== undefined && { nodes: options.nodes }),
      ...(options.nodeSettings !== undefined && { nodeSettings: options.nodeSettings }),
    });
    const stage = new Stage(surroundings, folder, apps, pair);
    stage.onClose(() => rm(folder, { recursive: true, force: true }));
    stage.onClose(() => surroundings.close());
    for (const log of new Set(apps.map(({ input }) => input))) {
      const feed = await Feed.open({ logs, log, partitions });
      stage.onClose(() => feed.close());
      stage.#feeds.set(log, feed);
    }
    stage.onClose(() => pair.kill());
    return stage;
  }

  /** Name of the pair. */
  get pairName(): string {
    return this.#surroundings.pair;
  }

  get logs(): Logs {
    return this.#surroundings.logs;
  }

  /** Undone in reverse order by `close`. */
  onClose(work: () => Promise<unknown>): void {
    this.#closing.push(work);
  }

  /** Done by `close` after all else, for what the stage itself stands on. */
  afterClose(work: () => Promise<unknown>): void {
    this.#closing.unshift(work);
  }

  async close(): Promise<void> {
    await this.#client?.end().catch(() => undefined);
    let failure: unknown;
    for (const work of this.#closing.splice(0).reverse()) await work().catch((error: unknown) => (failure ??= error));
    if (failure !== undefined) throw failure as Error;
  }

  async stopFeeds(): Promise<void> {
    for (const feed of this.#feeds.values()) await feed.stop();
  }

  feed(log = 'in'): Feed {
    const feed = this.#feeds.get(log);
    if (feed === undefined) throw new Error(`no app reads log '${log}'`);
    return feed;
  }

  /** Starts these nodes (all, unless named) and waits until they are ready. @returns the active one. */
  async start(...ids: readonly string[]): Promise<string> {
    for (const id of ids.length === 0 ? this.pair.ids : ids) this.pair.start(id);
    return await this.ready();
  }

  /** Until every node that lives is ready and one of them is active. @returns which. */
  async ready(limit_ms = 60_000): Promise<string> {
    let why = 'nothing was asked';
    try {
      return await waitFor('every node is ready', { limit_ms, pause_ms: patient_ms }, async () => {
        this.#refuseDead();
        const living = this.living;
        const answers = await Promise.all(living.map((id) => this.#readiness(id)));
        why = living.map((id, index) => `${id}: ${answers[index] ?? ''}`).join('; ');
        return answers.every((answer) => answer === 'ready') ? await this.pair.active() : undefined;
      });
    } catch (thrown) {
      throw new Error(`${String(thrown)} (${why})`);
    }
  }

  /** Once every node that lives is ready: inputs at that rate, and so many more outputs. @returns the active one. */
  async underLoad({ rate_per_s, outputs }: { rate_per_s: number; outputs: number }): Promise<string> {
    const active = await this.ready();
    this.feed().start(rate_per_s);
    await this.moreOutputs(outputs);
    return active;
  }

  /** kill -9; resolves when the processes are gone. */
  async kill(...ids: readonly string[]): Promise<void> {
    for (const id of ids) this.pair.signal(id, 'SIGKILL');
    for (const id of ids) await this.pair.process(id)?.exited;
  }

  /** Processes that run and are not stopped. */
  get living(): readonly string[] {
    return this.pair.ids.filter((id) => {
      const process = this.pair.process(id);
      return process !== undefined && process.ended === undefined && !process.frozen;
    });
  }

  other(id: string): string {
    const other = this.pair.ids.find((one) => one !== id);
    if (other === undefined) throw new Error(`no node other than ${id}`);
    return other;
  }

  async node(id: string): Promise<NodeReport> {
    return await this.#answer(id, '/v1/node');
  }

  async app(id: string, name: string): Promise<AppSummary> {
    return await this.#answer(id, `/v1/apps/${name}`);
  }

  /** A machine with more to do than it can may let a node wait for its turn. */
  async #answer<T>(id: string, route: string): Promise<T> {
    return await waitFor(`node ${id} answers ${route}`, { limit_ms: 30_000 }, () => this.pair.get<T>(id, route));
  }

  /** Committed rows, on a connection of our own that is made anew when it broke. */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    if (this.#client === undefined) {
      const client = new pg.Client({ connectionString: this.url, application_name: 'failover test' });
      client.on('error', () => (this.#client = undefined));
      await client.connect();
      this.#client = client;
    }
    return (await this.#client.query<Row>(text, values)).rows;
  }

  /** As the coordinator itself keeps it. */
  holder(): Promise<Holder> {
    return this.#surroundings.holder();
  }

  /** Until the node says that its coordinator is away. */
  async isDegraded(id: string): Promise<void> {
    await waitFor(`${id} says that its coordinator is away`, { limit_ms: 20_000 }, async () => {
      const report = await this.pair.get<NodeReport>(id, '/v1/node');
      return report?.coordinator.connected === false ? true : undefined;
    });
  }

  async epoch(): Promise<number> {
    return (await this.holder()).epoch;
  }

  /** How far the committed ends of a log have come; where the log has markers, they count too. */
  async logEnd(log: string): Promise<number> {
    const ask = () => this.#surroundings.logs.ends(log, partitions);
    const ends = this.serverGoesAway
      ? await waitFor(`the ends of ${log} are told`, { limit_ms: 60_000, pause_ms: 100 }, () =>
          ask().catch(() => undefined),
        )
      : await ask();
    return ends.reduce((sum, end) => sum + end, 0);
  }

  /** Until so many more outputs than now are in the log, so that there is work under way. */
  async moreOutputs(count: number, app = 'tally', limit_ms = 20_000): Promise<void> {
    const log = outputLog(app, 'counts');
    const from = await this.logEnd(log);
    await waitFor(`${count.toString()} more outputs are in ${log}`, { limit_ms, pause_ms: 25 }, async () =>
      (await this.logEnd(log)) >= from + count ? true : undefined,
    );
  }

  /**
   * Stops all inputs and waits until what the apps must have put out is there, then compares every record: nothing
   * missing, doubled, changed or out of order. @returns the number of records compared.
   */
  async expectExact(names: readonly string[] = this.apps.map(({ name }) => name), limit_ms = 30_000): Promise<number> {
    await this.stopFeeds();
    let compared = 0;
    for (const app of this.apps)
      if (names.includes(app.name)) compared += await this.#outputs.expectExact(app, limit_ms);
    return compared;
  }

  /** What an app that halted has put out: in each partition (but this one) the beginning of what it must. */
  async expectBeginning(name: string, { without }: { readonly without?: number } = {}): Promise<void> {
    const app = this.apps.find((one) => one.name === name);
    if (app === undefined) throw new Error(`no app '${name}'`);
    await this.#outputs.expectBeginning(app, without);
  }

  /** Every output exactly; and one node (this one, if it is named) is active, the others follow, and all say so. */
  async expectWhole(active?: string, { passive }: { passive?: readonly string[] } = {}): Promise<void> {
    await this.expectExact();
    const holder = active ?? (await this.ready());
    await this.expectTruth({ active: holder, passive: passive ?? this.pair.ids.filter((id) => id !== holder) });
  }

  /**
   * Roles and epoch as told by the nodes, at once, against the coordinator's own table; and soon what they tell of each
   * other, of their link, apps and troubles.
   */
  async expectTruth({ active, passive = [] }: { active: string; passive?: readonly string[] }): Promise<void> {
    await this.ready();
    const { epoch, node } = await this.holder();
    expect(node).toBe(active);
    for (const id of [active, ...passive]) {
      const report = await this.node(id);
      const role = id === active ? 'active' : 'passive';
      expect({ id, role: report.role, epoch: report.epoch }).toEqual({ id, role, epoch });
    }
    expect((await this.#surroundings.fences()) ?? [epoch]).toEqual([epoch]);
    await this.#expectTold(active, passive);
  }

  /** A dead member is told of until its session is over, a trouble until the lane's next report. */
  async #expectTold(active: string, passive: readonly string[]): Promise<void> {
    const members = [`${active} active`, ...passive.map((id) => `${id} passive`)].sort();
    const expected = [active, ...passive].map((id) => ({
      id,
      link: passive.length > 0 && (id === active ? 'some passive' : active),
      troubles: [],
      told: { active, members },
      apps: this.apps.map(({ name }) => `${name} in-sync ${id === active ? 'live' : 'closed'}`),
    }));
    let told: unknown;
    await until({ limit_ms: 15_000, pause_ms: patient_ms }, async () => {
      told = await Promise.all(expected.map(({ id }) => this.#told(id, id === active)));
      return isDeepStrictEqual(told, expected) ? true : undefined;
    });
    expect(told).toEqual(expected);
  }

  async #told(id: string, isActive: boolean): Promise<unknown> {
    const { link, troubles } = await this.node(id);
    const pair = await this.pair.get<PairReport>(id, '/v1/pair');
    return {
      id,
      link: link.peer !== null && (isActive ? 'some passive' : link.peer),
      troubles,
      told: {
        active: pair?.active,
        members: pair?.members.map((member) => `${member.node} ${String(member.role)}`).sort(),
      },
      apps: await Promise.all(
        this.apps.map(async ({ name }) => {
          const { condition, output } = await this.app(id, name);
          return `${name} ${condition} ${output}`;
        }),
      ),
    };
  }

  /** The ends of the nodes' logs, for people who have to find out why. */
  async logTails(lines = 25): Promise<string> {
    const tails = await Promise.all(
      this.pair.ids.map(async (id) => {
        const { pid, ended, frozen } = this.pair.process(id) ?? {};
        const state = ended ?? (frozen === true ? 'stopped' : 'running');
        return `--- node ${id} (pid ${String(pid)}, ${state})\n${await this.pair.logTail(id, lines)}`;
      }),
    );
    return tails.join('\n');
  }

  /** A node that ended by itself is not going to be ready. */
  #refuseDead(): void {
    for (const id of this.pair.ids) {
      const ended = this.pair.process(id)?.ended;
      if (ended?.startsWith('exit code') === true && ended !== 'exit code 0') {
        throw new Error(`node ${id} ended by itself with ${ended}`);
      }
    }
  }

  async #readiness(id: string): Promise<string> {
    if ((await this.pair.status(id, '/readyz')) === 200) return 'ready';
    const report = await this.pair.get<NodeReport>(id, '/v1/node');
    return `${report?.role ?? 'no answer'} ${report?.troubles.join(', ') ?? ''}`;
  }
}

interface PairReport {
  readonly epoch: number;
  readonly active: string;
  readonly members: readonly { readonly node: string; readonly role: string | null }[];
}

// The processes of the pair: what faults do to them, what becomes of them, and who is what just now.
import { until, type Pair } from '@tandem/harness';
import { NotInjected, type RoleName } from './faults/fault.ts';

/** One run of a node's process; times are of the wall clock, as in the nodes' logs. */
export interface ProcessRun {
  readonly node: string;
  readonly from_ms: number;
  until_ms: number | undefined;
  /** How it ended. */
  how: string | undefined;
  /** It had become a member of its pair. */
  joined: boolean;
}

const roleLimit_ms = 3000;
/** After it the next one is started, as a service manager would. */
const restartPause_ms = 500;
const startLimit_ms = 60_000;
const termLimit_ms = 30_000;

export class Nodes {
  readonly pair: Pair;
  readonly runs: ProcessRun[] = [];
  /** Members that ended though no fault asked for it, and orders to end that were not followed in time. */
  readonly mishaps: string[] = [];
  readonly #say: (line: string) => void;
  /** Are to be down. */
  readonly #down = new Set<string>();
  #isOver = false;

  constructor(pair: Pair, say: (line: string) => void) {
    this.pair = pair;
    this.#say = say;
  }

  get ids(): readonly string[] {
    return this.pair.ids;
  }

  /** @throws NotInjected when no living node has it, or two have. */
  async withRole(role: RoleName): Promise<string> {
    const found = await until({ limit_ms: roleLimit_ms, pause_ms: 20 }, async () => {
      const active = await this.pair.active();
      if (active === undefined || role === 'active') return active;
      return this.ids.find((id) => id !== active && this.#isUp(id));
    });
    if (found === undefined) throw new NotInjected(`no node is ${role}`);
    return found;
  }

  /** SIGKILL; resolves when they are gone. */
  async kill(...ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      this.#down.add(id);
      this.pair.signal(id, 'SIGKILL');
    }
    for (const id of ids) await this.pair.process(id)?.exited;
  }

  /** SIGTERM; resolves when it is gone, by force in the end. */
  async terminate(id: string): Promise<void> {
    this.#down.add(id);
    this.pair.signal(id, 'SIGTERM');
    const isGone = () => (this.pair.process(id)?.ended === undefined ? undefined : true);
    if ((await until({ limit_ms: termLimit_ms }, isGone)) === undefined) {
      this.#mishap(`${id} did not end within ${(termLimit_ms / 1000).toString()} s of SIGTERM`);
      await this.kill(id);
    }
  }

  freeze(id: string): void {
    this.pair.signal(id, 'SIGSTOP');
  }

  thaw(id: string): void {
    this.pair.signal(id, 'SIGCONT');
  }

  /** Resolves when they have joined their pair, or have had the time to. */
  async start(...ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      this.#down.delete(id);
      this.#start(id);
    }
    await Promise.all(
      ids.map((id) =>
        until({ limit_ms: startLimit_ms, pause_ms: 50 }, async () => {
          if ((await this.pair.status(id, '/startupz')) !== 200) return undefined;
          const run = this.runs.findLast(({ node }) => node === id);
          if (run !== undefined) run.joined = true;
          return true;
        }),
      ),
    );
  }

  /** Whatever ends from now on is no mishap, and stays down. */
  close(): void {
    this.#isOver = true;
  }

  #isUp(id: string): boolean {
    const process = this.pair.process(id);
    return process !== undefined && process.ended === undefined && !process.frozen;
  }

  #start(id: string): void {
    const run: ProcessRun = { node: id, from_ms: Date.now(), until_ms: undefined, how: undefined, joined: false };
    const started = this.pair.start(id);
    this.runs.push(run);
    void started.exited.then((how) => {
      run.until_ms = Date.now();
      run.how = how;
      if (this.#isOver || this.#down.has(id)) return;
      // One that is started while a system is away says so and ends, for a service manager to try again.
      if (run.joined) this.#mishap(`${id} ended by itself: ${how}`);
      else this.#say(`${id} could not start yet: ${how}`);
      setTimeout(() => {
        if (!this.#isOver && !this.#down.has(id) && this.pair.process(id)?.ended !== undefined) this.#start(id);
      }, restartPause_ms).unref();
    });
  }

  #mishap(what: string): void {
    this.mishaps.push(what);
    this.#say(what);
  }
}

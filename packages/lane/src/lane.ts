// The lane itself, from its start to its end: loads the app, connects its systems, and answers for itself meanwhile.
// What control asks of it after that: connected-lane.ts.
import type { LaneContext } from '@tandem/ports';
import { ConnectedLane } from './connected-lane.ts';
import { toLaneFailure, type LaneFailure } from './failure.ts';
import type { LaneSpec, ToLane } from './messages.ts';
import { isUnfenced } from './publisher-connection.ts';
import type { LaneRuntime } from './runtime.ts';
import { statusOf } from './status.ts';
import { closeSystems, compileFor, connectSystems, type ConnectOptions } from './systems.ts';
import { TrimLagHistogram } from './trim-lag.ts';
import { Waiting } from './waiting.ts';

export class Lane {
  readonly #runtime: LaneRuntime;
  readonly #options: ConnectOptions;
  readonly #waiting: Waiting;
  /** Looked at by what goes on in the background. */
  readonly #life = { stopped: false };
  /** What keeps it from connecting, or from asking its logs. */
  #trouble: string | undefined;
  /** Messages that came before the systems were connected. */
  #early: ToLane[] = [];
  #connected: ConnectedLane | undefined;
  #ending: Promise<void> | undefined;

  constructor(spec: LaneSpec, runtime: LaneRuntime) {
    this.#runtime = runtime;
    this.#waiting = new Waiting(runtime.clock);
    const log: LaneContext['log'] = (level, message, fields = {}) => {
      runtime.channel.post({ type: 'log', level, message, fields });
    };
    const { pair, app, lane } = spec;
    this.#options = {
      spec,
      runtime,
      context: { pair, app, lane, clock: runtime.clock, log },
      waiting: this.#waiting,
      state: this.#life,
      trouble: () => this.#trouble,
      onTrouble: (trouble) => {
        this.#trouble = trouble;
      },
    };
  }

  /** Loads the app and connects; says `described` when that is done. */
  start(): void {
    this.#start().catch((thrown: unknown) => {
      this.fail(toLaneFailure(thrown, 'internal'));
    });
  }

  receive(message: ToLane): void {
    if (this.#ending !== undefined) return;
    try {
      if (message.type === 'close') {
        this.#ending = this.#end(() => undefined).then(() => {
          this.#runtime.channel.post({ type: 'closed' });
        });
      } else if (this.#connected === undefined) this.#receiveEarly(message);
      else this.#connected.handle(message);
    } catch (thrown) {
      this.fail(toLaneFailure(thrown, 'internal'));
    }
  }

  /** The lane cannot go on: it stops publishing, then says so, then lets go of everything. */
  fail(failure: LaneFailure): void {
    this.#ending ??= this.#end(() => {
      this.#runtime.channel.post({
        type: 'failed',
        code: failure.code,
        reason: failure.message,
        blame: failure.blame,
        positions: failure.positions,
      });
    });
  }

  async #start(): Promise<void> {
    const topology = compileFor(this.#options.spec, this.#runtime);
    const systems = await connectSystems(topology, this.#options);
    if (systems === undefined) return;
    if (this.#life.stopped) {
      await closeSystems(systems);
      return;
    }
    this.#connected = new ConnectedLane(systems, this.#options, (failure) => {
      this.fail(failure);
    });
    this.#runtime.channel.post({
      type: 'described',
      app: topology.app,
      version: topology.version,
      topologyHash: topology.hash,
      tasks: systems.tasks.map(({ id }) => id),
      allTasks: systems.allTasks.map(({ id }) => id),
      publishers: systems.publishers.map(({ name }) => name),
      unfenced: systems.publishers.some(({ publisher }) => isUnfenced(publisher)),
    });
    const early = this.#early;
    this.#early = [];
    for (const message of early) this.receive(message);
  }

  /** Nothing is open yet: what cannot wait is answered at once, the rest once it is connected. */
  #receiveEarly(message: ToLane): void {
    if (message.type === 'query') {
      const status = statusOf({
        tasks: [],
        layouts: [],
        sources: [],
        drivers: [],
        processor: { paused: false, longestPause_ms: 0 },
        trouble: this.#trouble,
        inSync: false,
        heap_bytes: this.#runtime.heap_bytes(),
        trimLag: new TrimLagHistogram().value,
      });
      this.#runtime.channel.post({ type: 'answer', id: message.id, status });
    } else if (message.type === 'step-down') {
      this.#early = this.#early.filter(({ type }) => type !== 'open');
      this.#runtime.channel.post({ type: 'stepped-down' });
    } else {
      this.#early.push(message);
    }
  }

  /** Publishers first, as what is said next promises that they are off. */
  async #end(say: () => void): Promise<void> {
    this.#life.stopped = true;
    this.#waiting.wake();
    await this.#connected?.switchOff();
    say();
    await this.#connected?.close();
    this.#waiting.close();
  }
}

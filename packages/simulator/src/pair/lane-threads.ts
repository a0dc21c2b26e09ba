// Lanes of a simulated node: the lane's own code in a thread of virtual time, over a channel with delays.
import { Lane, type FromLane, type LaneHost } from '@tandem/lane';
import type { NodeParts } from '@tandem/control';
import type { LaneAdapter } from '@tandem/ports';
import { compileApp, type App } from '@tandem/streams';
import type { SimulatedProcess } from '../virtual-time.ts';
import { goodWay, Line, type Crossing } from './lines.ts';
import type { Random } from './random.ts';

export interface LaneThreadsOptions {
  readonly process: SimulatedProcess;
  readonly crossing: Crossing;
  readonly random: Random;
  readonly apps: readonly App[];
  adapters(thread: SimulatedProcess): readonly LaneAdapter[];
  /** Everything that lanes say to control, as it arrives. */
  onFromLane(app: string, lane: number, message: FromLane): void;
}

export interface RunningLane {
  readonly thread: SimulatedProcess;
  /** It ends by itself. */
  readonly die: () => void;
}

/** The lanes of one run of a node. */
export class LaneThreads {
  readonly #options: LaneThreadsOptions;
  readonly #running = new Set<RunningLane>();

  constructor(options: LaneThreadsOptions) {
    this.#options = options;
  }

  /** The lane of that thread, or else any; undefined when none runs. */
  find(pick: Random, thread?: SimulatedProcess): RunningLane | undefined {
    const running = [...this.#running];
    if (running.length === 0) return undefined;
    return running.find((lane) => lane.thread === thread) ?? pick.pick(running);
  }

  readonly start: NodeParts['startLane'] = (_bundle, spec, handlers): LaneHost => {
    const { process, crossing, random, apps } = this.#options;
    const thread = process.thread();
    // Two lines: each direction of the channel ends in the other's thread.
    const ways = { there: goodWay(0.03), back: goodWay(0.03) };
    const toLane = new Line(thread, ways, crossing, random);
    const toControl = new Line(process, ways, crossing, random);
    let isOver = false;
    let onExit: () => void = () => undefined;
    const hear = (message: FromLane): void => {
      if (isOver) return;
      const isLast = message.type === 'failed' || message.type === 'closed';
      if (isLast) isOver = true;
      this.#options.onFromLane(spec.app, spec.lane, message);
      handlers.onMessage(message);
    };
    const running: RunningLane = {
      thread,
      die: () => {
        end();
        toControl.toClient(() => {
          const reason = "the lane's thread ended by itself";
          hear({ type: 'failed', code: 'internal', reason, blame: 'failure', positions: undefined });
        });
      },
    };
    const end = (): void => {
      thread.kill();
      this.#running.delete(running);
      onExit();
    };
    thread.onThrown = (thrown) => {
      process.onThrown(thrown);
    };
    this.#running.add(running);
    const app = apps.find(({ name }) => name === spec.app);
    if (app === undefined) throw new Error(`no app '${spec.app}'`);
    const lane = new Lane(spec, {
      clock: thread,
      channel: {
        post: (message) => {
          const isLast = message.type === 'failed' || message.type === 'closed';
          toControl.toClient(() => {
            if (isLast) end();
            hear(message);
          });
        },
      },
      adapters: this.#options.adapters(thread),
      compile: () => compileApp(app),
      defer: (callback) => {
        // Now and then something else has the processor.
        thread.after(random.chance(0.05) ? random.between(0.1, 3) : 0.01, callback);
      },
      random: () => random.next(),
      heap_bytes: () => 0,
    });
    thread.after(random.between(1, 40), () => {
      lane.start();
    });
    return {
      post: (message) => {
        toLane.toClient(() => {
          lane.receive(message);
        });
      },
      close: async (limit_ms) => {
        isOver = true;
        await new Promise<void>((resolve) => {
          const limit = process.after(limit_ms, resolve);
          onExit = () => {
            limit.cancel();
            // The thread's end is news to the process, not something that goes on in the thread.
            process.after(0, resolve);
          };
          if (thread.state === 'dead') onExit();
        });
        end();
      },
      terminate: () => {
        isOver = true;
        end();
        return Promise.resolve();
      },
    };
  };
}

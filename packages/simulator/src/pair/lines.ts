// The connections of a simulated node: messages keep their order, take a random moment, and get lost while it is cut.
import type { SimulatedProcess } from '../virtual-time.ts';
import type { Wire } from '../wire.ts';
import type { Random } from './random.ts';

/** One direction between a node and a service, or from one node to the other; faults change it. */
export interface Way {
  isCut: boolean;
  /** On top of what every message takes. */
  slow_ms: number;
  /** Of the messages, those that take some milliseconds. */
  readonly lateShare: number;
}

export const goodWay = (lateShare: number): Way => ({ isCut: false, slow_ms: 0, lateShare });

/** Where a fault may strike: a message is about to be sent, or has just arrived. */
export interface Crossing {
  /** Does it; or not at all, when the process is killed first, or later, when it is stopped first. */
  cross(process: SimulatedProcess, action: () => void): void;
}

/** Nothing strikes here: messages are sent the moment they are asked for, by a process that runs. */
export const safeCrossing: Crossing = {
  cross: (process, action) => {
    if (process.state === 'running') action();
  },
};

/** Most messages take a fraction of a millisecond, some take many. */
export function delayOf(random: Random, way: Way): number {
  const usual_ms = random.chance(way.lateShare) ? random.between(1, 12) : random.between(0.05, 0.6);
  return usual_ms + (way.slow_ms === 0 ? 0 : random.between(way.slow_ms / 2, way.slow_ms));
}

/** A client's connection to a service. */
export class Line implements Wire {
  readonly clock: SimulatedProcess;
  readonly #there: Way;
  readonly #back: Way;
  readonly #crossing: Crossing;
  readonly #random: Random;
  #lastThere_ms = 0;
  #lastBack_ms = 0;

  constructor(
    process: SimulatedProcess,
    ways: { readonly there: Way; readonly back: Way },
    crossing: Crossing,
    random: Random,
  ) {
    this.clock = process;
    this.#there = ways.there;
    this.#back = ways.back;
    this.#crossing = crossing;
    this.#random = random;
  }

  toService(arrive: () => void): void {
    this.#crossing.cross(this.clock, () => {
      if (this.#there.isCut) return;
      const { time } = this.clock;
      const at_ms = Math.max(this.#lastThere_ms, time.now_ms() + delayOf(this.#random, this.#there));
      this.#lastThere_ms = at_ms;
      time.after(at_ms - time.now_ms(), () => {
        if (!this.#there.isCut) arrive();
      });
    });
  }

  toClient(arrive: () => void): void {
    if (this.#back.isCut) return;
    const { time } = this.clock;
    const at_ms = Math.max(this.#lastBack_ms, time.now_ms() + delayOf(this.#random, this.#back));
    this.#lastBack_ms = at_ms;
    time.after(
      at_ms - time.now_ms(),
      () => {
        if (!this.#back.isCut) this.#crossing.cross(this.clock, arrive);
      },
      this.clock,
    );
  }
}

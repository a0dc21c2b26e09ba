// What happened in a simulation, for people: printed when something is wrong.
import type { VirtualTime } from '../virtual-time.ts';

export class History {
  readonly #time: VirtualTime;
  readonly #lines: string[] = [];

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  note(who: string, what: string): void {
    const at = this.#time.now_ms().toFixed(2).padStart(9);
    this.#lines.push(`${at}  ${who.padEnd(12)} ${what}`);
  }

  get text(): string {
    return this.#lines.map((line) => `${line}\n`).join('');
  }
}

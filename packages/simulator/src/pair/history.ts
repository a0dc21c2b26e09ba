// What happened in a simulation, for people: printed when something is wrong.
import type { VirtualTime } from '../virtual-time.ts';

interface Note {
  readonly at_ms: number;
  readonly who: string;
  readonly what: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

export class History {
  readonly #time: VirtualTime;
  readonly #notes: Note[] = [];

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** `fields` are written out only when somebody reads it. */
  note(who: string, what: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#notes.push({ at_ms: this.#time.now_ms(), who, what, fields });
  }

  get text(): string {
    return this.#notes.map(lineOf).join('');
  }
}

function lineOf({ at_ms, who, what, fields = {} }: Note): string {
  const rest = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`;
  return `${at_ms.toFixed(2).padStart(9)}  ${who.padEnd(12)} ${what}${rest}\n`;
}

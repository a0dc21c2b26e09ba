// What a lane said so far, and waiting for it to say something.
import type { FromLane } from '@tandem/lane';

export type Said<Type extends FromLane['type']> = Extract<FromLane, { type: Type }>;

export class Ear {
  readonly said: FromLane[] = [];
  readonly #waiting = new Set<() => void>();

  hear(message: FromLane): void {
    this.said.push(message);
    for (const wake of this.#waiting) wake();
  }

  all<Type extends FromLane['type']>(type: Type): Said<Type>[] {
    return this.said.filter((message): message is Said<Type> => message.type === type);
  }

  /** The first message, from number `from` on, that fits. */
  async heard<Type extends FromLane['type']>(
    type: Type,
    fits: (message: Said<Type>) => boolean = () => true,
    from = 0,
  ): Promise<Said<Type>> {
    const find = (): Said<Type> | undefined =>
      this.said
        .slice(from)
        .filter((message): message is Said<Type> => message.type === type)
        .find(fits);
    await this.until(() => {
      const failed = this.all('failed')[0];
      if (failed !== undefined && type !== 'failed') throw new Error(`${failed.code}: ${failed.reason}`);
      return find() !== undefined;
    }, type);
    return find() as Said<Type>;
  }

  /** Looks again whenever something was said. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline_ms = Date.now() + 15_000;
    while (!condition()) {
      const left_ms = deadline_ms - Date.now();
      if (left_ms <= 0) {
        throw new Error(`not in time: ${what}; heard ${this.said.map((message) => message.type).join(', ')}`);
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left_ms);
        this.#waiting.add(wake);
      });
    }
  }

  /** How far each task is published, as last said; by one publisher, where one is named. */
  published(publisher?: string): Readonly<Record<string, number>> {
    const positions: Record<string, number> = {};
    for (const message of this.all('published')) {
      if (publisher !== undefined && message.publisher !== publisher) continue;
      for (const [task, text] of Object.entries(message.positions)) positions[task] = Number(text);
    }
    return positions;
  }

  /** Until the published positions add up to this. */
  async publishedUpTo(total: number, publisher?: string): Promise<void> {
    await this.until(
      () => Object.values(this.published(publisher)).reduce((sum, position) => sum + position, 0) >= total,
      `published up to ${total}`,
    );
  }
}

// A lane in a real worker, as control sees it: what it said, and waiting for it to say something.
import { startLane, type AppBundle, type FromLane, type LaneHost, type LaneSpec, type ToLane } from '@tandem/lane';

type Said<Type extends FromLane['type']> = Extract<FromLane, { type: Type }>;

export class WorkerLane {
  readonly said: FromLane[] = [];
  readonly #host: LaneHost;
  #wake: () => void = () => undefined;

  constructor(bundle: AppBundle, spec: LaneSpec) {
    this.#host = startLane(bundle, spec, {
      onMessage: (message) => {
        this.said.push(message);
        this.#wake();
      },
    });
  }

  post(message: ToLane, transfer: readonly ArrayBuffer[] = []): void {
    this.#host.post(message, transfer);
  }

  all<Type extends FromLane['type']>(type: Type): Said<Type>[] {
    return this.said.filter((message): message is Said<Type> => message.type === type);
  }

  async heard<Type extends FromLane['type']>(
    type: Type,
    fits: (message: Said<Type>) => boolean = () => true,
  ): Promise<Said<Type>> {
    const deadline_ms = Date.now() + 15_000;
    for (;;) {
      const found = this.all(type).find(fits);
      if (found !== undefined) return found;
      const failed = this.all('failed')[0];
      if (failed !== undefined && type !== 'failed') throw new Error(`${failed.code}: ${failed.reason}`);
      const left_ms = deadline_ms - Date.now();
      if (left_ms <= 0)
        throw new Error(`never heard ${type}, only ${this.said.map((message) => message.type).join(', ')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left_ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** How the lane ended: by itself, or because it had to be. */
  async close(): Promise<void> {
    this.post({ type: 'close' });
    await this.#host.close(5000);
  }
}

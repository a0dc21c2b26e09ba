// A lane in a real worker, as control sees it.
import { startLane, type AppBundle, type LaneHost, type LaneSpec, type ToLane } from '@tandem/lane';
import { Ear } from './ear.ts';

export class WorkerLane extends Ear {
  readonly #host: LaneHost;

  constructor(bundle: AppBundle, spec: LaneSpec) {
    super();
    this.#host = startLane(bundle, spec, {
      onMessage: (message) => {
        this.hear(message);
      },
    });
  }

  post(message: ToLane, transfer: readonly ArrayBuffer[] = []): void {
    this.#host.post(message, transfer);
  }

  async close(): Promise<void> {
    this.post({ type: 'close' });
    await this.#host.close(5000);
  }
}

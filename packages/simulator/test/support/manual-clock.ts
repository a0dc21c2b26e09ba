// A clock that moves when it is told to: that of one process, in virtual time of its own.
import { SimulatedProcess, VirtualTime } from '@tandem/simulator';

export class ManualClock extends SimulatedProcess {
  constructor() {
    super(new VirtualTime(), { wall_ms: Date.UTC(2026, 0, 1) });
  }

  /** Until the condition holds. */
  until(condition: () => boolean, limit_ms = 60_000): Promise<void> {
    return this.time.until('what a test waits for', condition, limit_ms);
  }

  async settle<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    work.then(mark, mark);
    await this.until(() => isSettled);
    return work;
  }
}

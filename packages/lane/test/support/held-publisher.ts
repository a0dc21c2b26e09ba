// A publisher whose calls can be held up or answered otherwise, as those of a system in trouble; else the one it stands for.
import type { Epoch, Positions } from '@tandem/pair';
import type { OpenOutcome, OutputBatch, Publisher, PublishOutcome, ReadBack, SinkLayout } from '@tandem/ports';

export type HeldCall = 'prepare' | 'open' | 'publish';

/** Shared by all publishers of one external system: trouble does not go away with a connection. */
export class Holds {
  /** What was called, in order. */
  readonly calls: string[] = [];
  /** Answers for the next openings, in place of opening. */
  readonly openOutcomes: OpenOutcome[] = [];
  warning: string | undefined;
  /** Prepare throws while set. */
  failsToPrepare = false;
  readonly #held = new Map<HeldCall, { readonly until: Promise<void>; readonly release: () => void }>();

  /** From now on such calls wait, until released. */
  hold(call: HeldCall): void {
    let release = (): void => undefined;
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#held.set(call, { until, release });
  }

  release(call: HeldCall): void {
    this.#held.get(call)?.release();
    this.#held.delete(call);
  }

  async passes(call: HeldCall): Promise<void> {
    this.calls.push(call);
    await this.#held.get(call)?.until;
  }

  count(call: string): number {
    return this.calls.filter((other) => other === call).length;
  }
}

export class HeldPublisher implements Publisher {
  readonly #inner: Publisher;
  readonly #holds: Holds;

  constructor(inner: Publisher, holds: Holds) {
    this.#inner = inner;
    this.#holds = holds;
  }

  get warning(): string | undefined {
    return this.#holds.warning;
  }

  layout(): Promise<readonly SinkLayout[]> {
    return this.#inner.layout();
  }

  async prepare(): Promise<void> {
    await this.#holds.passes('prepare');
    if (this.#holds.failsToPrepare) throw new Error('cannot be prepared');
  }

  async open(epoch: Epoch, initialise: Positions | undefined): Promise<OpenOutcome> {
    await this.#holds.passes('open');
    return this.#holds.openOutcomes.shift() ?? (await this.#inner.open(epoch, initialise));
  }

  readBack(): Promise<ReadBack> {
    return this.#inner.readBack();
  }

  /** A batch that was held leaves late, as from a process that was stopped. */
  async publish(batch: OutputBatch): Promise<PublishOutcome> {
    await this.#holds.passes('publish');
    return await this.#inner.publish(batch);
  }

  follow(onPositions: (positions: Positions) => void): { stop(): Promise<void> } {
    return this.#inner.follow(onPositions);
  }

  close(): Promise<void> {
    this.#holds.calls.push('close');
    return this.#inner.close();
  }
}

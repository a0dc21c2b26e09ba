// A toy sink. It checks S2 and S3 itself: whatever it accepts must be the one right continuation, or, where it has no
// fence, that again.
import type { AppName, Epoch } from '@tandem/pair';
import type { ToyWorld } from './world.ts';

/**
 * `by-open`: like Kafka: whoever opened last may publish, whatever its epoch; the sink knows no epochs.
 * `by-epoch`: like PostgreSQL: an opening of an older epoch is refused, and positions are compared.
 * `none`: like HTTP: outputs are taken from anybody, only the positions are kept where there is a fence (`by-epoch`).
 */
export type FenceKind = 'by-open' | 'by-epoch' | 'none';

export type ToyOpened =
  | { readonly outcome: 'opened'; readonly opening: number; readonly storedEpoch: Epoch | undefined }
  | { readonly outcome: 'fenced'; readonly byEpoch: Epoch };

export interface ToyBatch {
  readonly from: number;
  readonly to: number;
  readonly outputs: readonly string[];
}

/** The outputs of one input: none, one or two. */
export function outputsOf(app: AppName, position: number): readonly string[] {
  return Array.from({ length: position % 3 }, (_, ordinal) => `${app}/${position}.${ordinal}`);
}

export class ToySink {
  published = 0;
  /** Without a fence: outputs of inputs before it have arrived. */
  private received = 0;
  private readonly world: ToyWorld;
  private readonly app: AppName;
  private readonly kind: FenceKind;
  private opening = 0;
  private verifiedEpoch = 0;
  private fenceEpoch: Epoch | undefined = undefined;
  private publishedEpoch: Epoch | undefined = undefined;

  constructor(world: ToyWorld, app: AppName, kind: FenceKind) {
    this.world = world;
    this.app = app;
    this.kind = kind;
  }

  open(epoch: Epoch): ToyOpened {
    const storedEpoch = this.fenceEpoch;
    if (this.kind === 'by-open') {
      this.opening += 1;
      return { outcome: 'opened', opening: this.opening, storedEpoch: undefined };
    }
    if (storedEpoch !== undefined && storedEpoch > epoch) return { outcome: 'fenced', byEpoch: storedEpoch };
    this.opening += 1;
    this.fenceEpoch = epoch;
    return { outcome: 'opened', opening: this.opening, storedEpoch };
  }

  /** S2: this epoch has verified an opening here; older ones must not publish any more. */
  onVerified(epoch: Epoch): void {
    this.verifiedEpoch = Math.max(this.verifiedEpoch, epoch);
  }

  readBack(): { readonly position: number; readonly epoch: Epoch | undefined } {
    return { position: this.published, epoch: this.publishedEpoch };
  }

  publish(opening: number, epoch: Epoch, batch: ToyBatch): 'published' | 'fenced' {
    if (this.kind === 'none') this.receive(epoch, batch);
    if (opening !== this.opening) return 'fenced';
    if (this.kind !== 'by-open' && (this.fenceEpoch !== epoch || this.published !== batch.from)) return 'fenced';
    if (this.kind !== 'none') this.check(epoch, batch, batch.from === this.published);
    this.published = batch.to;
    this.publishedEpoch = epoch;
    this.world.say(
      `sink ${this.app}: epoch ${epoch} published ${batch.from}..${batch.to} (${batch.outputs.length} outputs)`,
    );
    return 'published';
  }

  /** Nobody is refused: outputs may come again, but none may be left out (S3), nor come from an older epoch (S2). */
  private receive(epoch: Epoch, batch: ToyBatch): void {
    this.check(epoch, batch, batch.from <= this.received);
    this.received = Math.max(this.received, batch.to);
  }

  private check(epoch: Epoch, batch: ToyBatch, isInPlace: boolean): void {
    if (epoch < this.verifiedEpoch) {
      throw new Error(
        `S2: ${this.app} published by epoch ${epoch} after epoch ${this.verifiedEpoch} verified its open`,
      );
    }
    const expected: string[] = [];
    for (let position = batch.from; position < batch.to; position++) expected.push(...outputsOf(this.app, position));
    if (!isInPlace || expected.join() !== batch.outputs.join()) {
      throw new Error(
        `S3: ${this.app} at ${this.published} got ${batch.from}..${batch.to} ${batch.outputs.join()} for ${expected.join()}`,
      );
    }
  }

  describe(): string {
    return `sink ${this.app}: published ${this.published} in epoch ${String(this.publishedEpoch)}, fence ${String(this.fenceEpoch)}#${this.opening}`;
  }
}

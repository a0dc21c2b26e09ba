// A toy sink with a fence. It checks S2 and S3 itself: whatever it accepts must be the one right continuation.
import type { AppName, Epoch } from '@tandem/pair';
import type { ToyWorld } from './world.ts';

/**
 * `by-open`: like Kafka: whoever opened last may publish, whatever its epoch; the sink knows no epochs.
 * `by-epoch`: like PostgreSQL: an opening of an older epoch is refused, and positions are compared.
 */
export type FenceKind = 'by-open' | 'by-epoch';

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
    if (opening !== this.opening) return 'fenced';
    if (this.kind === 'by-epoch' && (this.fenceEpoch !== epoch || this.published !== batch.from)) return 'fenced';
    if (epoch < this.verifiedEpoch) {
      throw new Error(
        `S2: ${this.app} published by epoch ${epoch} after epoch ${this.verifiedEpoch} verified its open`,
      );
    }
    const expected: string[] = [];
    for (let position = this.published; position < batch.to; position++)
      expected.push(...outputsOf(this.app, position));
    if (batch.from !== this.published || expected.join() !== batch.outputs.join()) {
      throw new Error(
        `S3: ${this.app} at ${this.published} got ${batch.from}..${batch.to} ${batch.outputs.join()} for ${expected.join()}`,
      );
    }
    this.published = batch.to;
    this.publishedEpoch = epoch;
    this.world.say(
      `sink ${this.app}: epoch ${epoch} published ${batch.from}..${batch.to} (${batch.outputs.length} outputs)`,
    );
    return 'published';
  }

  describe(): string {
    return `sink ${this.app}: published ${this.published} in epoch ${String(this.publishedEpoch)}, fence ${String(this.fenceEpoch)}#${this.opening}`;
  }
}

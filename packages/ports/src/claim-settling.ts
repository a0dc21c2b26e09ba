// What has become of a claim whose answer did not come.
import { asEpoch, type Epoch, type Member, type View } from '@tandem/pair';
import type { ClaimOutcome } from './coordinator.ts';
import { TandemError } from './error.ts';

/**
 * `view`: read after the last try, by which the coordinator has carried out every try or never will.
 * @throws TandemError `coordinator-unanswered` where it shows neither: the claim is to be tried again.
 */
export function settleClaim(view: View, expected: Epoch | undefined, self: Member): ClaimOutcome {
  const next = asEpoch((expected ?? 0) + 1);
  // An earlier try of ours whose answer was lost.
  if (view.epoch === next && view.active?.incarnation === self.incarnation) return { outcome: 'won', epoch: next };
  // From here on no earlier try can succeed any more: the epoch that it expects is gone.
  if (view.epoch !== expected) return { outcome: 'lost', view };
  throw new TandemError('coordinator-unanswered', 'the claim found neither the expected epoch nor another one');
}

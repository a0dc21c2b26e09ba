// Whether an app that has failed is started again: only where new lanes may get further than those that failed.
import type { FailureCode } from '@tandem/lane';
import type { LaneFailure } from './lane-group.ts';

/**
 * - `restart`: what was wrong may have passed, or other state may be found
 * - `newer-state`: the same, but only from a node that goes on making state
 * - `none`: they would come to the same end; somebody has to change something first
 */
type Cure = 'restart' | 'newer-state' | 'none';

/** By code, and by who is to blame: somebody who has to change something, or circumstances. */
const cures: Readonly<Record<FailureCode, Readonly<Record<'user' | 'failure', Cure>>>> = {
  'app-load': { user: 'none', failure: 'restart' },
  // It should throw again at the same record, but may have thrown for what its module had kept.
  'app-threw': { user: 'restart', failure: 'restart' },
  'invalid-record': { user: 'none', failure: 'none' },
  // What is missing there may just be being made, for instance by another app's lanes.
  source: { user: 'restart', failure: 'restart' },
  sink: { user: 'restart', failure: 'restart' },
  'input-gap': { user: 'newer-state', failure: 'newer-state' },
  'published-position-lost': { user: 'none', failure: 'none' },
  // An older revision may reach it.
  'published-position-behind': { user: 'restart', failure: 'restart' },
  snapshot: { user: 'none', failure: 'restart' },
  internal: { user: 'none', failure: 'restart' },
};

/** `newerStateMayCome`: another node of the pair is, or may become, the one that makes state. */
export function mayRestartCure(
  { code, blame }: Pick<LaneFailure, 'code' | 'blame'>,
  newerStateMayCome: () => boolean,
): boolean {
  const cure = cures[code][blame];
  return cure === 'restart' || (cure === 'newer-state' && newerStateMayCome());
}

/** Whether another node's state may help where nothing of this node's own can. */
export function needsNewerState({ code, blame }: Pick<LaneFailure, 'code' | 'blame'>): boolean {
  return cures[code][blame] === 'newer-state';
}

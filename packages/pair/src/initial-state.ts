// A node that has just been started: nothing is known yet.
import type { AppState, PairSettings, PairState } from './protocol.ts';
import type { AppName } from './vocabulary.ts';

const loadingApp: AppState = {
  condition: 'loading',
  output: 'closed',
  described: false,
  askedFrom: undefined,
  askedInEpoch: undefined,
  publishers: [],
  livePublishers: [],
  retryAt_ms: undefined,
  reason: undefined,
  diverged: false,
  divergedAt_ms: undefined,
  handOver: false,
};

export function initialState(settings: PairSettings, apps: readonly AppName[]): PairState {
  return {
    role: 'joining',
    self: { node: settings.self.node, incarnation: settings.self.incarnation },
    view: undefined,
    coordinator: 'reachable',
    held: undefined,
    givenUp: undefined,
    unfencedFrom_ms: undefined,
    readViewAt_ms: undefined,
    vacantSince_ms: undefined,
    lastActive: undefined,
    apps: Object.fromEntries(apps.map((app) => [app, loadingApp])),
    link: undefined,
    peerInSync: [],
    claim: undefined,
    claimNotBefore_ms: undefined,
    candidateSince_ms: undefined,
    probe: undefined,
    probeClaimAt_ms: undefined,
    switchover: undefined,
    invitation: undefined,
    stopping: false,
    verifications: {},
    wakeAt_ms: undefined,
  };
}

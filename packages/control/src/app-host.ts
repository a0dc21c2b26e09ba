// What an app needs of the node it runs on.
import type { PositionTexts, TaskDigest } from '@tandem/lane';
import type { AppName, Epoch, Member, PairEvent, PublisherName } from '@tandem/pair';
import type { Coordinator, SnapshotStore } from '@tandem/ports';
import type { NodeParts } from './node-parts.ts';
import type { Node } from './node.ts';
import type { NodeOptions } from './options.ts';

export interface AppHost {
  readonly options: NodeOptions;
  readonly parts: NodeParts;
  readonly coordinator: Coordinator;
  readonly store: SnapshotStore;
  raise(event: PairEvent): void;
  /** Durable published positions moved by our own publishing. */
  onPublished(app: AppName, publisher: PublisherName, positions: PositionTexts, since_ms: number): void;
  /** This node's digests, to be heard by whoever compares. */
  onDigests(app: AppName, digests: readonly TaskDigest[]): void;
  /** It does not hold the epoch, and vouches for the app: its state is measured by that of the active. */
  isMeasured(app: AppName): boolean;
  /** The active, where this node is linked to it. */
  linkedActive(): Member | undefined;
  /** Another node of the pair is, or may become, the one that makes state. */
  newerStateMayCome(): boolean;
  /** The epoch this node last saw, for the snapshot's header. */
  epoch(): Epoch | undefined;
}

/** After these the active is told anew what could be taken over here. */
const changesInSync: ReadonlySet<PairEvent['type']> = new Set([
  'app-lag',
  'app-diverged',
  'app-unverified',
  'app-failed',
]);

export function appHostOf(node: Node): AppHost {
  const { options, parts } = node;
  return {
    options,
    parts,
    coordinator: options.coordinator,
    store: options.store,
    raise: (event) => {
      node.raise(event);
      if (changesInSync.has(event.type)) node.links?.sendStatus();
    },
    onPublished: (app, publisher, positions, since_ms) => {
      node.links?.all.publish(app, publisher, positions, since_ms);
    },
    onDigests: (app, digests) => {
      node.links?.all.publishDigests(app, digests);
    },
    isMeasured: (app) => {
      const condition = node.state?.apps[app]?.condition;
      return node.state?.held === undefined && (condition === 'in-sync' || condition === 'replaying');
    },
    linkedActive: () => {
      const { held, view, link } = node.state ?? {};
      const active = view?.active;
      return held === undefined && link?.open === true && link.peer === active?.incarnation ? active : undefined;
    },
    newerStateMayCome: () => {
      const { held, view } = node.state ?? {};
      return held === undefined && view?.members.some((member) => member.node !== options.node.id) === true;
    },
    epoch: () => node.view?.epoch,
  };
}

// What the node does with its links: raises what they say, sends what the other end waits for.
import type { AppName, Epoch, Incarnation } from '@tandem/pair';
import type { AppCode, LinkMessage } from './link-messages.ts';
import { Links } from './links.ts';
import type { Node } from './node.ts';
import type { AppOptions } from './options.ts';

/** Connecting, and the answer, of a probe. */
export const probeLimit_ms = 500;

export class NodeLinks {
  readonly all: Links;
  readonly #node: Node;
  #invitedIn: Epoch | undefined;

  constructor(node: Node, sessionTimeout_ms: number) {
    this.#node = node;
    const { clock, link, log, node: settings, pair, apps } = node.options;
    this.all = new Links({
      clock,
      pair,
      self: node.self,
      ping_ms: link.ping_ms,
      silence_ms: sessionTimeout_ms,
      apps: codeOf(apps),
      epoch: () => node.view?.epoch,
      connect: (address, limit_ms) => node.parts.network.link(address, settings.token, limit_ms),
      isActive: () => node.state?.held !== undefined,
      onOpen: (peer) => {
        this.#onOpen(peer);
      },
      onClose: (peer, how) => {
        node.raise({ type: 'link-closed', at_ms: clock.now_ms(), peer, how });
      },
      onMessage: (peer, message) => {
        this.#onMessage(peer, message);
      },
      onTrouble: (reason) => {
        log.warn({ reason }, 'no link to the active; trying again');
      },
      onTurnedAway: (reason) => {
        log.error({ reason }, 'the active turns this node away');
        void node.close({ blame: 'user', detail: reason });
      },
    });
  }

  /** The epoch whose holder last invited this node. */
  get invitedIn(): Epoch | undefined {
    return this.#invitedIn;
  }

  /** Tells the active what this node could take over now. */
  sendStatus(): void {
    const apps = Object.entries(this.#node.state?.apps ?? {});
    const inSyncApps = apps.filter(([, { condition }]) => condition === 'in-sync').map(([name]) => name);
    this.all.sendToActive({ type: 'status', inSyncApps });
  }

  #onOpen(peer: Incarnation): void {
    const node = this.#node;
    const epoch = node.view?.epoch;
    if (epoch === undefined) return;
    node.raise({ type: 'link-opened', at_ms: node.options.clock.now_ms(), peer, epoch });
    this.sendStatus();
    if (node.state?.held === undefined) {
      for (const app of node.apps.values()) app.digests.listenTo(peer);
      void this.#tryProbe(peer);
      return;
    }
    // A passive that has just linked gets all positions at once, and the digests that are kept.
    for (const app of node.apps.values()) {
      this.all.publishDigests(app.name, app.digests.kept);
      for (const [publisher, positions] of app.published) this.all.publish(app.name, publisher, positions);
    }
  }

  /** A crash of the active is found in milliseconds by a probe: whether that works is known before it is needed. */
  async #tryProbe(peer: Incarnation): Promise<void> {
    const { log } = this.#node.options;
    const active = this.#node.view?.active;
    if (active?.incarnation !== peer) return;
    const outcome = await this.#node.parts.network.probe(active, probeLimit_ms);
    if (outcome === 'alive' || this.all.peer?.incarnation !== peer) return;
    const { node, address } = active;
    log.warn({ peer: node, address, outcome }, 'probes do not reach the active: its crash would be found more slowly');
  }

  #onMessage(peer: Incarnation, message: LinkMessage): void {
    const node = this.#node;
    const at_ms = node.options.clock.now_ms();
    switch (message.type) {
      case 'published':
        if (node.options.stateSync.live && node.state?.held === undefined) {
          node.apps.get(message.app)?.trim(message.publisher, message.positions, message.since_ms);
        }
        return;
      case 'digests':
        if (node.state?.held === undefined) node.apps.get(message.app)?.digests.addActive(message.digests);
        return;
      case 'status':
        node.raise({ type: 'peer-status', at_ms, peer, inSyncApps: message.inSyncApps });
        return;
      case 'invite': {
        const epoch = message.epoch as Epoch;
        this.#invitedIn = epoch;
        node.raise({ type: 'invited', at_ms, by: peer, epoch, limit_ms: message.limit_ms });
        return;
      }
      case 'hello':
      case 'refused':
      case 'ping':
        return;
    }
  }
}

/** What both nodes must have in common, by app. */
function codeOf(apps: readonly AppOptions[]): Record<AppName, AppCode> {
  return Object.fromEntries(
    apps.map(({ description, bundle, lanes }) => [
      description.app,
      {
        version: description.version,
        topologyHash: description.topologyHash,
        bundleHash: bundle.hash,
        lanes: lanes.length,
      },
    ]),
  );
}

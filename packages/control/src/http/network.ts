// The network of a running node: an HTTP server with the admin doors and the link, and requests to the peer's.
import type { Member } from '@tandem/pair';
import { WebSocketServer } from 'ws';
import type { NodeDoors } from '../api.ts';
import { linkMessageLimit_bytes } from '../link-messages.ts';
import type { NodeLog } from '../log.ts';
import type { Caller, LinkSocket, Network, PeerCall, ProbeOutcome, Served } from '../network.ts';
import type { ListenAt } from '../options.ts';
import { checkUpgrade, refuseUpgrade } from './access.ts';
import { createHttpApp } from './app.ts';
import { connectLink, WebLinkSocket } from './link-socket.ts';
import { listen, urlHost } from './listening.ts';
import { askPeer, fetchSnapshot } from './peer-requests.ts';
import { probe } from './probe.ts';
import { createHttpServer } from './server.ts';

const notJoined = { status: 503, code: 'starting', detail: 'this node has not joined its pair yet; try again' };

export class HttpNetwork implements Network {
  readonly #log: NodeLog;

  constructor(log: NodeLog) {
    this.#log = log;
  }

  async serve(at: ListenAt, doors: NodeDoors, caller: Caller): Promise<Served> {
    const server = createHttpServer(createHttpApp(doors, this.#log));
    const upgrades = new WebSocketServer({
      noServer: true,
      maxPayload: linkMessageLimit_bytes,
      perMessageDeflate: false,
    });
    server.on('upgrade', (request, socket, head) => {
      const refusal = checkUpgrade(request, doors) ?? (caller.acceptsLinks() ? undefined : notJoined);
      if (refusal !== undefined) refuseUpgrade(socket, refusal, doors.node().incarnation);
      else {
        upgrades.handleUpgrade(request, socket, head, (webSocket) => {
          caller.onLink(new WebLinkSocket(webSocket));
        });
      }
    });
    const port = await listen(server, at);
    return {
      address: `http://${urlHost(at.host)}:${port}`,
      close: async () => {
        upgrades.close();
        server.closeAllConnections();
        await new Promise<void>((resolve) => {
          server.close(() => {
            resolve();
          });
        });
      },
    };
  }

  link(address: string, token: string | undefined, limit_ms: number): LinkSocket {
    return connectLink(address, token, limit_ms);
  }

  probe(peer: Member, limit_ms: number): Promise<ProbeOutcome> {
    return probe(peer, limit_ms);
  }

  snapshot(address: string, app: string, token: string | undefined): Promise<AsyncIterable<Uint8Array>> {
    return fetchSnapshot(address, app, token);
  }

  ask(address: string, call: PeerCall): Promise<unknown> {
    return askPeer(address, call);
  }
}

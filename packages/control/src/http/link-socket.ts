// A connection of the link as a WebSocket.
import { WebSocket } from 'ws';
import { linkMessageLimit_bytes } from '../link-messages.ts';
import type { LinkSocket, LinkSocketHandlers } from '../network.ts';
import { linkPath } from './access.ts';

export class WebLinkSocket implements LinkSocket {
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  handle(handlers: LinkSocketHandlers): void {
    const socket = this.#socket;
    socket.on('open', () => {
      handlers.onOpen();
    });
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      handlers.onText(isBinary ? undefined : data.toString());
    });
    socket.on('close', (code) => {
      handlers.onClose(`the connection closed (${code})`);
    });
    socket.on('error', (error) => {
      handlers.onClose(error.message);
    });
    socket.once('unexpected-response', (outgoing, response) => {
      response.resume();
      outgoing.destroy();
      handlers.onClose(refusalOf(response.statusCode ?? 0));
    });
  }

  send(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  close(code: number): void {
    this.#socket.close(code);
  }

  terminate(): void {
    if (this.#socket.readyState !== WebSocket.CLOSED) this.#socket.terminate();
  }
}

/** What an answer means that is no link. */
function refusalOf(status: number): string {
  if (status === 401) return "it does not accept this node's token; give both nodes the same node.token";
  return `it answered ${status} instead of opening a link`;
}

/** Opens the passive's end. */
export function connectLink(address: string, token: string | undefined, limit_ms: number): WebLinkSocket {
  const url = new URL(linkPath, address);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return new WebLinkSocket(
    new WebSocket(url, {
      handshakeTimeout: limit_ms,
      maxPayload: linkMessageLimit_bytes,
      perMessageDeflate: false,
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    }),
  );
}

// A receiver of webhooks in the test's process: what arrived, in order, and answers as the test wants them.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Arrived {
  readonly url: string;
  readonly method: string;
  readonly key: string;
  readonly body: string;
  readonly headers: IncomingMessage['headersDistinct'];
  readonly at_ms: number;
}

export type Reply = (response: ServerResponse, arrived: Arrived) => void;

const accept: Reply = (response) => response.writeHead(200).end('{"ok":true}');

export class TestReceiver {
  readonly url: string;
  /** Whole requests, in the order in which they arrived. */
  readonly arrived: Arrived[] = [];
  /** What the other side has ended before it was answered. */
  aborted = 0;
  connections = 0;
  /** Most requests that were unanswered at a time. */
  mostAtATime = 0;
  /** For the next requests, one each; then `usual`. */
  readonly next: Reply[] = [];
  usual: Reply = accept;
  readonly #server: Server;
  #unanswered = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    server.on('connection', () => this.connections++);
    server.on('request', (request, response) => {
      this.#take(request, response);
    });
  }

  static async open(): Promise<TestReceiver> {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return new TestReceiver(server);
  }

  bodies(path?: string): string[] {
    return this.arrived.filter(({ url }) => path === undefined || url === path).map(({ body }) => body);
  }

  /** Of each output its first arrival. */
  firsts(): Arrived[] {
    return [...new Map(this.arrived.toReversed().map((one) => [one.key, one])).values()].toReversed();
  }

  breakConnections(): void {
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.breakConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const pieces: Buffer[] = [];
    this.mostAtATime = Math.max(this.mostAtATime, ++this.#unanswered);
    response.on('close', () => {
      this.#unanswered--;
      if (!response.writableFinished) this.aborted++;
    });
    request.on('error', () => undefined);
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const { url = '', method = '', headersDistinct: headers } = request;
      const key = headers['idempotency-key']?.[0] ?? '';
      const arrived = { url, method, key, body: Buffer.concat(pieces).toString(), headers, at_ms: performance.now() };
      this.arrived.push(arrived);
      const reply = this.next.shift() ?? this.usual;
      reply(response, arrived);
    });
  }
}

export const answer =
  (status: number, headers: Readonly<Record<string, string>> = {}, body = ''): Reply =>
  (response) =>
    response.writeHead(status, headers).end(body);

/** Never answers. */
export const silence: Reply = () => undefined;

/** Breaks the connection without an answer. */
export const hangUp: Reply = (response) => response.destroy();

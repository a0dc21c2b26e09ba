// The listening side: limits on what a client may hold open or send, before any route sees it.
import { createServer, type RequestListener, type Server } from 'node:http';
import { rawProblem, type Refusal } from './problem.ts';

export interface HttpLimits {
  /** From the first byte of a request to the end of its headers. */
  readonly headersTimeout_ms: number;
  /** From the first byte of a request to its last; says nothing of the answer, which may be long. */
  readonly requestTimeout_ms: number;
  readonly keepAlive_ms: number;
  readonly maxHeader_bytes: number;
  /** Link and long downloads count too. */
  readonly maxConnections: number;
}

export const defaultLimits: HttpLimits = {
  headersTimeout_ms: 5_000,
  requestTimeout_ms: 10_000,
  keepAlive_ms: 5_000,
  maxHeader_bytes: 8 * 1024,
  maxConnections: 256,
};

/**
 * Not yet listening; the link is taken up by whoever adds an `upgrade` listener. A connection above the limit is
 * accepted and reset, never refused: a refused one would tell the peer's probe that this process is gone.
 */
export function createHttpServer(app: RequestListener, limits: HttpLimits = defaultLimits): Server {
  const server = createServer(
    {
      headersTimeout: limits.headersTimeout_ms,
      requestTimeout: limits.requestTimeout_ms,
      keepAliveTimeout: limits.keepAlive_ms,
      maxHeaderSize: limits.maxHeader_bytes,
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeout_ms),
    },
    app,
  );
  server.maxConnections = limits.maxConnections;
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // An answer may be on its way on a connection that has carried one: nothing can be put between its bytes.
    const fresh = 'bytesWritten' in socket && socket.bytesWritten === 0;
    if (fresh && socket.writable && error.code !== 'ECONNRESET') socket.end(rawProblem(unreadable(error.code)));
    else socket.destroy();
  });
  return server;
}

const unreadableRequests: ReadonlyMap<string | undefined, Refusal> = new Map([
  [
    'HPE_HEADER_OVERFLOW',
    { status: 431, code: 'headers-too-large', detail: 'the headers of the request are too large' },
  ],
  ['ERR_HTTP_REQUEST_TIMEOUT', { status: 408, code: 'request-timeout', detail: 'the request did not arrive in time' }],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', { status: 413, code: 'body-too-large', detail: 'the body is too large' }],
]);

function unreadable(code: string | undefined): Refusal {
  const detail = 'the request could not be read as HTTP';
  return unreadableRequests.get(code) ?? { status: 400, code: 'bad-request', detail };
}

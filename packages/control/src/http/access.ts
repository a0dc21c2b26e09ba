// Who may come in: a bearer token in constant time, or, on loopback without a token, only programs of this machine
// that are not a web page of somebody else's.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { NodeDoors } from '../api.ts';
import { incarnationHeader } from './probe.ts';
import { rawProblem, type Refusal } from './problem.ts';

export type AccessDoors = Pick<NodeDoors, 'token' | 'loopback'>;

/** Undefined: let in. A token that is configured is asked for everywhere; without one only loopback is served. */
export function refuseAccess(request: IncomingMessage, doors: AccessDoors): Refusal | undefined {
  if (doors.token !== undefined) return refuseToken(request.headers.authorization, doors.token);
  if (doors.loopback) return refuseForeignPage(request);
  return unauthorised('this node has no token configured and does not listen on loopback; configure node.token');
}

function refuseToken(authorization: string | undefined, token: string): Refusal | undefined {
  const given = /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1];
  if (given === undefined) return unauthorised('give the bearer token of this node in the Authorization header');
  if (sameText(given.trim(), token)) return undefined;
  return unauthorised('the bearer token is not the one of this node', ', error="invalid_token"');
}

function unauthorised(detail: string, more = ''): Refusal {
  return {
    status: 401,
    code: 'unauthorised',
    detail,
    headers: { 'www-authenticate': `Bearer realm="tandem"${more}` },
  };
}

/** Takes the same time wherever the texts differ: digests of equal length are compared. */
function sameText(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}

/**
 * Without a token a browser on this machine could be made to call us: by a page that posts here (it sends its Origin,
 * or says in Sec-Fetch-Site that it is another site), or by a name that was re-bound to 127.0.0.1 (Host tells).
 */
function refuseForeignPage(request: IncomingMessage): Refusal | undefined {
  const { host, origin, 'sec-fetch-site': site } = request.headers;
  if (host === undefined || !isLoopbackHost(host)) {
    return forbidden('host-refused', 'without a token only localhost, 127.0.0.0/8 and [::1] are served as host names');
  }
  const foreignSite = site !== undefined && site !== 'same-origin' && site !== 'none';
  if (foreignSite || (origin !== undefined && origin !== `http://${host}`)) {
    return forbidden('origin-refused', 'without a token pages of other origins are refused');
  }
  return undefined;
}

function forbidden(code: string, detail: string): Refusal {
  return { status: 403, code, detail };
}

/** A Host header, with or without a port. */
function isLoopbackHost(host: string): boolean {
  return /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d{1,5})?$/i.test(host);
}

export const linkPath = '/v1/link';

/** The same check for the WebSocket upgrade of the link. Undefined: let in. */
export function checkUpgrade(request: IncomingMessage, doors: AccessDoors): Refusal | undefined {
  const refusal = refuseAccess(request, doors);
  if (refusal !== undefined) return refusal;
  const path = (request.url ?? '').split('?')[0];
  if (path === linkPath) return undefined;
  return { status: 404, code: 'no-such-route', detail: `only ${linkPath} can be upgraded` };
}

/** Answers a refused upgrade and ends its connection. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal, incarnation: string): void {
  // A peer that resets the connection instead of reading the answer is no news.
  socket.on('error', () => {
    socket.destroy();
  });
  socket.end(rawProblem({ ...refusal, headers: { ...refusal.headers, [incarnationHeader]: incarnation } }));
}

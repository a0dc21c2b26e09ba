// What a node asks its peer for over HTTP.
import { request, type IncomingMessage } from 'node:http';
import { request as secureRequest } from 'node:https';
import { TandemError } from '@tandem/ports';
import type { PeerCall } from '../network.ts';

/** A peer that sends nothing for this long is given up. */
const idleLimit_ms = 30_000;
const problemLimit_bytes = 16 * 1024;

function call(address: string, { method, path, token, limit_ms = idleLimit_ms }: PeerCall): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const url = new URL(path, address);
    const send = url.protocol === 'https:' ? secureRequest : request;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const outgoing = send(url, { method, agent: false, timeout: limit_ms, headers }, resolve);
    outgoing.on('timeout', () => {
      outgoing.destroy(new TandemError('peer-silent', `${address} sent nothing for ${limit_ms / 1000} s`));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function text(response: IncomingMessage, limit_bytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let size_bytes = 0;
  for await (const part of response) {
    size_bytes += (part as Buffer).length;
    if (size_bytes > limit_bytes) break;
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString();
}

/** The peer's own reason; `code` is that of its problem, or `peer-refused` when it gives none. */
function refusal(what: string, status: number, body: string): TandemError {
  let code = 'peer-refused';
  let detail = `it answered ${status}`;
  try {
    const problem = JSON.parse(body) as { detail?: unknown; code?: unknown };
    if (typeof problem.detail === 'string') detail = problem.detail;
    if (typeof problem.code === 'string') code = problem.code;
  } catch {
    // Not ours, then: the status has to do.
  }
  // Refused for a token, or for where it came from: the same request is refused again.
  const blame = status === 401 || status === 403 ? 'user' : 'failure';
  return new TandemError(code, `${what}: ${detail}`, { blame });
}

/** The peer's snapshot of an app, taken now. @throws TandemError with the peer's own code, `not-vouched` for instance. */
export async function fetchSnapshot(
  address: string,
  app: string,
  token: string | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const response = await call(address, { method: 'GET', path: `/v1/apps/${encodeURIComponent(app)}/snapshot`, token });
  const status = response.statusCode ?? 0;
  if (status === 200) return whole(response, `the snapshot of app '${app}' from ${address}`);
  throw refusal(`no snapshot from ${address}`, status, await text(response, problemLimit_bytes));
}

/** Its pieces. @throws TandemError `peer-broke-off` when the connection ends before the answer does. */
async function* whole(response: IncomingMessage, what: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const piece of response) yield piece as Uint8Array;
  } catch (thrown) {
    if (thrown instanceof TandemError) throw thrown;
    throw new TandemError('peer-broke-off', `${what} broke off half-way; it will be asked for again`, {
      cause: thrown,
    });
  }
}

/** A JSON answer of the peer. @throws TandemError with the peer's own code. */
export async function askPeer(address: string, request: PeerCall): Promise<unknown> {
  const response = await call(address, request);
  const status = response.statusCode ?? 0;
  const body = await text(response, 1024 * 1024);
  if (status < 200 || status > 299) throw refusal(address, status, body);
  return JSON.parse(body);
}

// Error answers as application/problem+json (RFC 9457), and which status an error becomes.
import { STATUS_CODES, type ServerResponse } from 'node:http';
import { TandemError } from '@tandem/ports';
import type { Problem } from '../api.ts';

/** An answer that refuses a request; `headers` go with it. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Conflicts with what the node is or has at the moment; asking again later, or another node, may help. */
const conflicts: ReadonlySet<string> = new Set(['not-active', 'not-vouched', 'app-failed']);
const missing: ReadonlySet<string> = new Set(['revision-missing']);

/** Anything thrown on the way to an answer. What is not meant for people keeps its message to the log. */
export function refusalOf(thrown: unknown): Refusal {
  if (thrown instanceof TandemError) {
    const { code, message: detail } = thrown;
    if (missing.has(code)) return { status: 404, code, detail };
    if (conflicts.has(code)) return { status: 409, code, detail };
    if (thrown.blame === 'user') return { status: 400, code, detail };
    return { status: 503, code, detail, headers: { 'retry-after': '1' } };
  }
  const status = statusOf(thrown);
  if (status === 413) {
    const detail = 'the body is too large; no route takes one';
    return { status, code: 'body-too-large', detail, headers: { connection: 'close' } };
  }
  if (status !== undefined) return { status, code: 'bad-request', detail: 'the request could not be read' };
  return { status: 500, code: 'internal', detail: 'something broke in this node; its log says what' };
}

/** The status that Express and its body reader give to a request they cannot read. */
function statusOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('status' in thrown)) return undefined;
  const { status } = thrown;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}

export function problemOf(refusal: Refusal): Problem {
  return {
    type: 'about:blank',
    title: STATUS_CODES[refusal.status] ?? 'Error',
    status: refusal.status,
    detail: refusal.detail,
    code: refusal.code,
  };
}

/** `more`: members of this problem beyond the standard ones. */
export function sendProblem(
  response: ServerResponse,
  refusal: Refusal,
  more: Readonly<Record<string, unknown>> = {},
): void {
  const body = JSON.stringify({ ...more, ...problemOf(refusal) });
  for (const [name, value] of Object.entries(refusal.headers ?? {})) response.setHeader(name, value);
  response.statusCode = refusal.status;
  response.setHeader('content-type', 'application/problem+json');
  response.setHeader('content-length', Buffer.byteLength(body));
  response.end(body);
}

/** The same as bytes, for a socket that has no response object (a refused upgrade, an unreadable request). */
export function rawProblem(refusal: Refusal): string {
  const body = JSON.stringify(problemOf(refusal));
  const headers = {
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    ...refusal.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}\r\n${lines.join('')}\r\n${body}`;
}

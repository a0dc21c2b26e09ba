// Asks running nodes over their admin interface. Every way it can fail becomes one line for people.
import { request, type IncomingMessage } from 'node:http';
import { request as secureRequest } from 'node:https';
import type {
  AppReport,
  AppSummary,
  NodeReport,
  PairReport,
  Problem,
  RevisionReport,
  SwitchoverReport,
} from '@tandem/control';
import { TandemError } from '@tandem/ports';
import { suggestion } from './configuration/nearest.ts';

const answerLimit_bytes = 16 * 1024 * 1024;

interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** How long the node may be silent. */
  readonly patience_ms?: number;
}

export interface StoredRevision {
  readonly revision: number;
  readonly size_bytes: number;
}

/** One node, by its address. Every call opens a connection of its own and leaves none behind. */
export class NodeClient {
  readonly address: string;
  readonly #token: string | undefined;

  constructor(address: string, token: string | undefined) {
    this.address = address;
    this.#token = token;
  }

  async node(): Promise<NodeReport> {
    return (await this.#json({ method: 'GET', path: '/v1/node', patience_ms: 3000 })) as NodeReport;
  }

  async pair(): Promise<PairReport> {
    return (await this.#json({ method: 'GET', path: '/v1/pair', patience_ms: 5000 })) as PairReport;
  }

  async apps(): Promise<AppSummary[]> {
    return (await this.#json({ method: 'GET', path: '/v1/apps' })) as AppSummary[];
  }

  async app(name: string): Promise<AppReport> {
    return (await this.#json({ method: 'GET', path: `/v1/apps/${encodeURIComponent(name)}` })) as AppReport;
  }

  async revisions(name: string): Promise<RevisionReport[]> {
    const path = `/v1/apps/${encodeURIComponent(name)}/revisions`;
    return (await this.#json({ method: 'GET', path, patience_ms: 30_000 })) as RevisionReport[];
  }

  /** Takes and stores a revision now; only the active node does. */
  async persist(name: string): Promise<StoredRevision> {
    const path = `/v1/apps/${encodeURIComponent(name)}/revisions`;
    return (await this.#json({ method: 'POST', path, patience_ms: 600_000 })) as StoredRevision;
  }

  /** Stored bytes, gzip. */
  async revision(name: string, revision: number): Promise<AsyncIterable<Buffer>> {
    const path = `/v1/apps/${encodeURIComponent(name)}/revisions/${String(revision)}`;
    return this.#call({ method: 'GET', path, patience_ms: 30_000 });
  }

  async switchover(): Promise<SwitchoverReport> {
    const call: Call = { method: 'POST', path: '/v1/pair/switchover', patience_ms: 330_000 };
    return (await this.#json(call)) as SwitchoverReport;
  }

  async #json(call: Call): Promise<unknown> {
    const body = await text(await this.#call(call));
    try {
      return JSON.parse(body);
    } catch (cause) {
      throw new TandemError('not-a-node', `${this.address} does not answer like a Tandem node. Check the address`, {
        blame: 'user',
        cause,
      });
    }
  }

  /** The answer of a call that went well. */
  async #call(call: Call): Promise<IncomingMessage> {
    const response = await this.#send(call);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const body = await text(response).catch(() => '');
    throw await this.#refused(status, problemIn(body));
  }

  #send({ method, path, patience_ms = 10_000 }: Call): Promise<IncomingMessage> {
    const url = addressUrl(path, this.address);
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? secureRequest : request;
      const headers = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
      const outgoing = send(url, { method, agent: false, timeout: patience_ms, headers }, resolve);
      outgoing.on('timeout', () => {
        const detail = `${this.address} sent nothing for ${String(patience_ms / 1000)} s. Its process may hang`;
        outgoing.destroy(new TandemError('node-silent', detail));
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        reject(error instanceof TandemError ? error : unreachable(this.address, error));
      });
      outgoing.end();
    });
  }

  async #refused(status: number, problem: Partial<Problem>): Promise<TandemError> {
    if (status === 401 || status === 403) {
      const todo = 'Give it with --token, in TANDEM_TOKEN or as node.token in the configuration';
      const what = this.#token === undefined ? `wants a token. ${todo}` : `does not accept this token. ${todo}`;
      return new TandemError('token', `${this.address} ${what}`, { blame: 'user' });
    }
    if (problem.code === 'no-such-app') {
      const apps = await this.apps().catch(() => []);
      const asked = /'(.*)'/.exec(problem.detail ?? '')?.[1] ?? '';
      const names = apps.map(({ app }) => app);
      const text = `${problem.detail ?? 'there is no such app'}. ${suggestion(asked, names)}`;
      return new TandemError('no-such-app', text, { blame: 'user' });
    }
    if (problem.code === 'revision-missing') {
      const text = `${problem.detail ?? 'there is no such revision'}. tandem snapshot list shows those that are kept`;
      throw new TandemError('revision-missing', text, { blame: 'user' });
    }
    const isTandem = problem.code !== undefined && problem.detail !== undefined;
    if (!isTandem) {
      const text = `${this.address} answered ${String(status)}, not like a Tandem node. Check the address`;
      return new TandemError('not-a-node', text, { blame: 'user' });
    }
    return new TandemError(problem.code ?? 'refused', problem.detail ?? `it answered ${String(status)}`);
  }
}

function addressUrl(path: string, address: string): URL {
  try {
    const url = new URL(path, address);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  } catch {
    // Said below.
  }
  throw new TandemError('address', `'${address}' is not an address of a node. Write it like http://127.0.0.1:7070`, {
    blame: 'user',
  });
}

function unreachable(address: string, error: NodeJS.ErrnoException): TandemError {
  const why: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'nothing listens there',
    ENOTFOUND: 'there is no such host',
    EHOSTUNREACH: 'the host cannot be reached',
    ETIMEDOUT: 'the host does not answer',
  };
  const reason = why[error.code ?? ''] ?? (error.message || String(error.code));
  return new TandemError(
    'node-unreachable',
    `no node answers at ${address}: ${reason}. Start it, or name another with --url`,
    {
      cause: error,
    },
  );
}

async function text(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size_bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size_bytes += part.length;
    if (size_bytes > answerLimit_bytes)
      throw new TandemError('not-a-node', 'the answer is too long to be one of a node');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function problemIn(body: string): Partial<Problem> {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

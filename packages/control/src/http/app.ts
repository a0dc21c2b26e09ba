// The admin HTTP doors of a node: probes for everybody, everything else for whoever has the token.
import express, { type Express, type Request, type RequestHandler, type Response } from 'express';
import { toError } from '@tandem/ports';
import type { NodeDoors } from '../api.ts';
import type { NodeLog } from '../log.ts';
import { incarnationHeader } from './probe.ts';
import { refuseAccess } from './access.ts';
import { sendDownload, stallLimit_ms } from './download.ts';
import { refusalOf, sendProblem, type Refusal } from './problem.ts';

/** No route takes a body; a small one is read and dropped so that the connection can be used again. */
export const bodyLimit_bytes = 1024;

const everyAnswer: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

export interface HttpAppOptions {
  /** A download that its client does not read for this long is ended. */
  readonly stallLimit_ms?: number;
}

export function createHttpApp(doors: NodeDoors, log: NodeLog, options: HttpAppOptions = {}): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.enable('strict routing').enable('case sensitive routing');

  app.use((_request, response, next) => {
    for (const [name, value] of Object.entries(everyAnswer)) response.setHeader(name, value);
    response.setHeader(incarnationHeader, doors.node().incarnation);
    next();
  });

  addProbes(app, doors, log);

  app.use((request, response, next) => {
    const refusal = refuseAccess(request, doors);
    if (refusal === undefined) next();
    else refuse(request, response, refusal, log);
  });
  app.use(express.raw({ type: () => true, limit: bodyLimit_bytes, inflate: false }));

  addNodeRoutes(app, doors, log);
  addAppRoutes(app, doors, log, options.stallLimit_ms ?? stallLimit_ms);

  app.use((request, response) => {
    refuse(request, response, { status: 404, code: 'no-such-route', detail: `there is no ${request.path} here` }, log);
  });
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- Express knows an error handler by its four parameters
  app.use((thrown: unknown, request: Request, response: Response, _next: unknown) => {
    const { method, path } = request;
    const refusal = refusalOf(thrown);
    if (refusal.status >= 500) log.warn({ err: toError(thrown), method, path }, 'request failed');
    // Part of an answer is out: nothing can be said any more but that it is not whole.
    if (response.headersSent || response.destroyed) response.destroy();
    else refuse(request, response, refusal, log);
  });
  return app;
}

/** An HTTP/1.0 body ends with its connection: one that was cut short would be taken for the whole. */
const notChunked: Refusal = { status: 505, code: 'http-version', detail: 'downloads need HTTP/1.1' };

/** One word for everybody, and a second line that says why for those who may know. */
function addProbes(app: Express, doors: NodeDoors, log: NodeLog): void {
  const probe = (path: string, look: () => { ok: boolean; word: string; why: string }): void => {
    route(app, path, log, {
      get: (request, response) => {
        const { ok, word, why } = look();
        const authorised = refuseAccess(request, doors) === undefined;
        response
          .status(ok ? 200 : 503)
          .type('text/plain')
          .send(authorised && why !== '' ? `${word}\n${why}\n` : `${word}\n`);
      },
    });
  };
  probe('/livez', () => ({ ok: true, word: 'live', why: '' }));
  probe('/readyz', () => {
    const { ok, why } = doors.ready();
    return { ok, word: ok ? 'ready' : 'unready', why };
  });
  probe('/startupz', () => {
    const { ok, why } = doors.started();
    return { ok, word: ok ? 'started' : 'starting', why };
  });
  probe('/active', () => {
    const { role, epoch } = doors.node();
    return { ok: role === 'active', word: role, why: epoch === null ? '' : `epoch ${epoch}` };
  });
}

function addNodeRoutes(app: Express, doors: NodeDoors, log: NodeLog): void {
  route(app, '/metrics', log, {
    get: async (_request, response) => {
      const { contentType, body } = await doors.metrics();
      response.setHeader('content-type', contentType);
      response.end(body);
    },
  });
  route(app, '/v1/node', log, { get: (_request, response) => response.json(doors.node()) });
  route(app, '/v1/pair', log, { get: async (_request, response) => response.json(await doors.pair()) });
  route(app, '/v1/pair/switchover', log, {
    post: async (request, response) => {
      const report = await doors.switchover();
      if (report.outcome === 'done') response.json(report);
      else {
        const status = report.outcome === 'refused' ? 409 : 503;
        refuse(request, response, { status, code: `switchover-${report.outcome}`, detail: report.detail }, log, {
          ...report,
        });
      }
    },
  });
}

function addAppRoutes(app: Express, doors: NodeDoors, log: NodeLog, stallLimit_ms: number): void {
  const noSuchApp = (request: Request, response: Response): void => {
    const detail = `there is no app '${parameter(request, 'app')}' on this node`;
    refuse(request, response, { status: 404, code: 'no-such-app', detail }, log);
  };
  const report = (look: (name: string) => unknown): RequestHandler => {
    return async (request, response) => {
      const answer = await look(parameter(request, 'app'));
      if (answer === undefined) noSuchApp(request, response);
      else response.json(answer);
    };
  };
  const download = async (
    request: Request,
    response: Response,
    content: AsyncIterable<Uint8Array> | undefined,
    fileName: string,
  ): Promise<void> => {
    if (content === undefined) noSuchApp(request, response);
    else if (request.httpVersionMajor === 1 && request.httpVersionMinor === 0)
      refuse(request, response, notChunked, log);
    else if (request.method === 'HEAD') response.attachment(fileName).type('application/gzip').end();
    else if (!(await sendDownload(response, { content, fileName, stallLimit_ms }))) {
      log.debug({ path: request.path }, 'the client left before the end of a download');
    }
  };

  route(app, '/v1/apps', log, { get: (_request, response) => response.json(doors.apps()) });
  route(app, '/v1/apps/:app', log, { get: report((name) => doors.app(name)) });
  route(app, '/v1/apps/:app/published', log, { get: report((name) => doors.published(name)) });
  route(app, '/v1/apps/:app/snapshot', log, {
    get: (request, response) => {
      const name = parameter(request, 'app');
      return download(request, response, doors.snapshot(name), `${name}.snapshot.gz`);
    },
  });
  route(app, '/v1/apps/:app/revisions', log, {
    get: report((name) => doors.revisions(name)),
    post: async (request, response) => {
      const name = parameter(request, 'app');
      const stored = await doors.persist(name);
      if (stored === undefined) noSuchApp(request, response);
      else
        response
          .status(201)
          .location(`/v1/apps/${encodeURIComponent(name)}/revisions/${stored.revision}`)
          .json(stored);
    },
  });
  route(app, '/v1/apps/:app/revisions/:revision', log, {
    get: (request, response) => {
      const name = parameter(request, 'app');
      const text = parameter(request, 'revision');
      if (/^\d{1,15}$/.test(text)) {
        return download(request, response, doors.revision(name, Number(text)), `${name}.revision-${text}.gz`);
      }
      refuse(request, response, { status: 404, code: 'revision-missing', detail: `'${text}' is not a revision` }, log);
      return undefined;
    },
  });
}

function parameter(request: Request, name: string): string {
  const value = request.params[name];
  return typeof value === 'string' ? value : '';
}

interface Handlers {
  readonly get?: RequestHandler;
  readonly post?: RequestHandler;
}

/** Every other method of the path is answered 405 with what is allowed. */
function route(app: Express, path: string, log: NodeLog, handlers: Handlers): void {
  const allow = [...(handlers.get ? ['GET', 'HEAD'] : []), ...(handlers.post ? ['POST'] : [])].join(', ');
  const at = app.route(path);
  if (handlers.get) at.get(handlers.get);
  if (handlers.post) at.post(handlers.post);
  at.all((request, response) => {
    const detail = `${request.method} is not for ${request.path}; it takes ${allow}`;
    refuse(request, response, { status: 405, code: 'method-not-allowed', detail, headers: { allow } }, log);
  });
}

/** Never logs headers: they hold the token. */
function refuse(
  request: Request,
  response: Response,
  refusal: Refusal,
  log: NodeLog,
  more?: Readonly<Record<string, unknown>>,
): void {
  const { status, code } = refusal;
  log.debug({ method: request.method, path: request.path, status, code, from: request.ip }, 'request refused');
  sendProblem(response, refusal, more);
}

// Loads a bundle in a worker that lives only for that, and asks it what app it holds.
import { Worker } from 'node:worker_threads';
import { TandemError, toError } from '@tandem/ports';
import type { AppBundle, AppDescription } from './description.ts';
import { withSourcePlaces } from './source-places.ts';

/** What a worker started with `mode: 'describe'` answers, once. */
export type DescribeAnswer =
  | { readonly type: 'description'; readonly description: AppDescription }
  | { readonly type: 'refused'; readonly code: string; readonly reason: string };

const loadLimit_ms = 15_000;

/**
 * @throws TandemError (user) `app-load` when the module throws, hangs, or exports no app or several, or whatever code
 * the topology's own checks gave.
 */
export async function describeApp(bundle: AppBundle, limit_ms = loadLimit_ms): Promise<AppDescription> {
  const worker = new Worker(bundle.path, { workerData: { mode: 'describe' } });
  let timer: NodeJS.Timeout | undefined;
  try {
    const answer = await new Promise<DescribeAnswer>((resolve) => {
      const refuse = (reason: string): void => {
        resolve({ type: 'refused', code: 'app-load', reason });
      };
      timer = setTimeout(() => {
        refuse(`the app did not load within ${String(limit_ms / 1000)} s; does its module wait for something?`);
      }, limit_ms);
      worker.once('message', resolve);
      worker.once('error', (thrown: unknown) => {
        refuse(`the app threw while it was loaded: ${placeOf(errorOf(thrown), bundle)}`);
      });
      worker.once('exit', (code) => {
        refuse(`the app ended its thread while it was loaded (exit code ${String(code)})`);
      });
    });
    if (answer.type === 'description') return answer.description;
    throw new TandemError(answer.code, answer.reason, { blame: 'user' });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

/** What a worker threw. Node rebuilds it as an object with an error's prototype, not always the one known here. */
export function errorOf(thrown: unknown): Error {
  const { message, stack } = (thrown ?? {}) as Partial<Error>;
  return typeof message === 'string' && typeof stack === 'string' ? (thrown as Error) : toError(thrown);
}

/** The message and the first place of the stack that is not ours, in one line. */
export function placeOf(error: Error, bundle: AppBundle): string {
  const frames = withSourcePlaces(error.stack ?? '', bundle)
    .split('\n')
    .filter((line) => line.trimStart().startsWith('at '));
  const place = frames
    .map((line) => /\(?((?:file:\/\/)?[^\s()]+:\d+:\d+)\)?$/.exec(line)?.[1])
    .find((found) => found !== undefined && !/packages\/(lane|streams)\/|node:|lane\.mjs/.test(found));
  const message = error.message.split('\n', 1).join('');
  return place === undefined ? message : `${message} (${place.replace(/^file:\/\//, '')})`;
}

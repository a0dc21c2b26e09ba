// Loads a bundle in a worker that lives only for that, and asks it what app it holds.
import { Worker } from 'node:worker_threads';
import { TandemError, toError } from '@tandem/ports';
import type { AppBundle, AppDescription } from './description.ts';
import { placeOf } from './source-places.ts';

/** What a worker started with `mode: 'describe'` answers, once. */
export type DescribeAnswer =
  | { readonly type: 'description'; readonly description: AppDescription }
  | { readonly type: 'refused'; readonly code: string; readonly reason: string };

const loadLimit_ms = 15_000;

/** Node's exit code for a top-level await that nothing will ever resolve. */
const unsettledAwait = 13;

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
        const error = errorOf(thrown);
        // What is not an error comes from nowhere.
        refuse(`the app threw while it was loaded: ${error === thrown ? placeOf(error, bundle.path) : error.message}`);
      });
      worker.once('exit', (code) => {
        refuse(
          code === unsettledAwait
            ? 'the app waits while it is loaded for what never comes; take that await away'
            : `the app ended its thread while it was loaded (exit code ${String(code)}); does it call process.exit?`,
        );
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

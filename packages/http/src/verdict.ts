// What an answer means for an output.
import { originOf } from './configuration.ts';
import type { Answer } from './request.ts';

export type Verdict =
  | { readonly verdict: 'accepted' }
  /** To be sent again. `atLeast_ms`: as the receiver asks for. */
  | { readonly verdict: 'again'; readonly why: string; readonly atLeast_ms: number; readonly isFree: boolean }
  /** For good: sending it again cannot help. */
  | { readonly verdict: 'refused'; readonly status: number; readonly why: string };

/** However long a receiver asks to be left alone. */
const retryAfterMost_ms = 300_000;

export function verdictOf(answer: Answer, wall_ms: number): Verdict {
  if (answer.type === 'failed') {
    // The other side had closed a connection that nobody used; the next attempt has a new one, and costs no wait.
    return { verdict: 'again', why: describe(answer.cause), atLeast_ms: 0, isFree: answer.wasIdle };
  }
  const { status } = answer;
  if (status >= 200 && status < 300) return { verdict: 'accepted' };
  if (status === 408 || status === 429 || status >= 500) {
    const atLeast_ms = retryAfter_ms(answer.retryAfter, wall_ms);
    return { verdict: 'again', why: `answered ${String(status)}`, atLeast_ms, isFree: false };
  }
  const isRedirect = status >= 300 && status < 400;
  const where = isRedirect && answer.location !== undefined ? ` to ${placeOf(answer.location)}` : '';
  const why = isRedirect ? ` with a redirect${where}; redirects are not followed` : '';
  return { verdict: 'refused', status, why: `answered ${String(status)}${why}` };
}

/** Seconds or a date (RFC 9110, 10.2.3), within the limit; 0 where it says nothing that is understood. */
export function retryAfter_ms(text: string | undefined, wall_ms: number): number {
  if (text === undefined) return 0;
  const asked_ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - wall_ms;
  return Number.isNaN(asked_ms) ? 0 : Math.min(Math.max(0, asked_ms), retryAfterMost_ms);
}

function placeOf(location: string): string {
  try {
    return originOf(location);
  } catch {
    return 'another path';
  }
}

/** Node.js leaves the message empty where several addresses were tried. */
function describe(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (error.message !== '') return error.message;
  return code ?? error.name;
}

// Errors that leave the process: a stable code, what was attempted, on what, and what to do next.

/** `user`: the user's mistake (exit code 2). `failure`: something broke (exit code 1). */
export type ErrorBlame = 'user' | 'failure';

/** One line for people: `<what>: <where>. <what to do>`. The code is stable and fit for machines. */
export class TandemError extends Error {
  override readonly name = 'TandemError';
  readonly code: string;
  readonly blame: ErrorBlame;
  constructor(code: string, message: string, options: { blame?: ErrorBlame; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.blame = options.blame ?? 'failure';
  }
}

/** Anything thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

// Errors of the embedded server: a stable code and one line that says what, where and what to do.

export type EmbeddedErrorCode =
  'embedded-unsupported' | 'embedded-initdb' | 'embedded-start' | 'embedded-port' | 'embedded-busy' | 'embedded-stop';

export class EmbeddedError extends Error {
  override readonly name = 'EmbeddedError';
  readonly code: EmbeddedErrorCode;
  constructor(code: EmbeddedErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Whether something thrown by node carries this errno, for instance `ENOENT`. */
export function hasErrno(thrown: unknown, errno: string): boolean {
  // Not by class: an error of node itself is of another realm inside a test's.
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown && thrown.code === errno;
}

// Why a lane cannot go on.
import type { FailureCode, PositionTexts } from './messages.ts';
import { TandemError, toError } from '@tandem/ports';
import { InputError } from '@tandem/streams';
import { SnapshotError } from '@tandem/snapshot';

export class LaneFailure extends Error {
  override readonly name = 'LaneFailure';
  readonly code: FailureCode;
  readonly blame: 'user' | 'failure';
  readonly positions: PositionTexts | undefined;
  constructor(
    code: FailureCode,
    message: string,
    options: { blame?: 'user' | 'failure'; positions?: PositionTexts; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.blame = options.blame ?? 'failure';
    this.positions = options.positions;
  }
}

/** Anything thrown, as a failure; `code` is for what has none of its own. */
export function toLaneFailure(thrown: unknown, code: FailureCode): LaneFailure {
  if (thrown instanceof LaneFailure) return thrown;
  if (thrown instanceof InputError) {
    const frames = thrown.code === 'app-threw' ? bundleFrames(thrown.cause) : '';
    return new LaneFailure(thrown.code, thrown.message + frames, { blame: 'user', cause: thrown });
  }
  if (thrown instanceof SnapshotError) return new LaneFailure('snapshot', thrown.message, { cause: thrown });
  if (thrown instanceof TandemError) {
    return new LaneFailure(code, thrown.message, { blame: thrown.blame, cause: thrown });
  }
  const error = toError(thrown);
  return new LaneFailure(code, code === 'internal' ? (error.stack ?? error.message) : error.message, { cause: error });
}

/** Where in the lane's bundle an app threw, as lines of a stack: whoever has the source map makes one place of them. */
function bundleFrames(thrown: unknown): string {
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  const frames = stack.split('\n').filter((line) => /^\s+at .*file:/.test(line));
  return frames.map((line) => `\n${line}`).join('');
}

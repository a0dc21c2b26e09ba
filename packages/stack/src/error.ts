// Errors of the stack: stable codes, one line each.
import { TandemError } from '@tandem/ports';

export type StackErrorCode =
  | 'stack-usage'
  | 'stack-no-java'
  | 'stack-install'
  | 'stack-jars'
  | 'stack-data'
  | 'stack-port'
  | 'stack-start'
  | 'stack-unreachable'
  | 'stack-docker'
  | 'stack-java-program';

const usersMistakes: readonly StackErrorCode[] = ['stack-usage', 'stack-no-java', 'stack-data', 'stack-unreachable'];

export function stackError(code: StackErrorCode, message: string, cause?: unknown): TandemError {
  return new TandemError(code, message, { blame: usersMistakes.includes(code) ? 'user' : 'failure', cause });
}

/** The end of what a program said, as one line: stack frames and empty lines are left out. */
export function lastLines(text: string, count = 4): string {
  const lines = text
    .replace(/\u001B\[[0-9;]*m/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(at |\.\.\. \d+ more)/.test(line));
  return lines.slice(-count).join(' | ').slice(0, 1000);
}

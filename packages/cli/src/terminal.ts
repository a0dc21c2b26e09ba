// What the commands write to and read from, so that tests can stand in for a terminal; and how things are laid out.
import { showSize } from '@tandem/ports/configuration';

export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A person can be asked. */
  readonly interactive: boolean;
  /** What is written is shown on a screen that can be cleared. */
  readonly screen: boolean;
  out(text: string): void;
  error(text: string): void;
  /** Bytes as they are, with backpressure. */
  outBytes(bytes: Uint8Array): Promise<void>;
  /** Undefined when nobody answered. */
  ask(question: string): Promise<string | undefined>;
  /** Calls back on every SIGTERM or SIGINT until the returned function is called. */
  onSignal(callback: (signal: NodeJS.Signals) => void): () => void;
  /** Ends the process at once, whatever it is doing. */
  exit(code: number): void;
}

/** Columns padded to their widest cell; those whose head begins with `>` are right-aligned. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const right = heads.map((head) => head.startsWith('>'));
  const all = [heads.map((head) => head.replace(/^>/, '')), ...rows];
  const widths = heads.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right[column] === true ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

/** For people: two digits are enough. */
export function roughSize(bytes: number): string {
  const unit = [1024 ** 3, 1024 ** 2, 1024].find((factor) => bytes >= factor) ?? 1;
  const rounded = bytes / unit < 10 && unit > 1 ? Math.round((bytes / unit) * 10) / 10 : Math.round(bytes / unit);
  return `${String(rounded)}${showSize(unit).replace(/^1/, '')}`;
}

export function roughDuration(ms: number): string {
  if (ms < 1000) return `${String(Math.max(0, Math.round(ms)))}ms`;
  if (ms < 60_000) return `${String(Math.round(ms / 100) / 10)}s`;
  if (ms < 3_600_000) return `${String(Math.floor(ms / 60_000))}m`;
  if (ms < 172_800_000) return `${String(Math.floor(ms / 3_600_000))}h`;
  return `${String(Math.floor(ms / 86_400_000))}d`;
}

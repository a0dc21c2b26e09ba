// Asks a person one question, a line at a time.
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** The line without its end; undefined when the input ends before there is one. */
export function askOn(input: Readable, output: Writable, question: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    // The system edits the line and takes Ctrl-C as anywhere else: it ends the process.
    const lines = createInterface({ input, output, terminal: false });
    lines.once('close', () => {
      resolve(undefined);
    });
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
    });
    output.write(question);
  });
}

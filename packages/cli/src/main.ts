// The entry of the tandem command: this process as a terminal.
import { askOn } from './asking.ts';
import { main } from './program.ts';
import type { Terminal } from './terminal.ts';

const terminal: Terminal = {
  environment: process.env,
  interactive: process.stdin.isTTY && process.stdout.isTTY,
  screen: process.stdout.isTTY,
  out: (text) => {
    process.stdout.write(text);
  },
  error: (text) => {
    process.stderr.write(text);
  },
  outBytes: (bytes) =>
    new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => {
        if (error) reject(error);
        else resolve();
      });
    }),
  ask: (question) => askOn(process.stdin, process.stdout, question),
  onSignal(callback) {
    process.on('SIGTERM', callback);
    process.on('SIGINT', callback);
    return () => {
      process.off('SIGTERM', callback);
      process.off('SIGINT', callback);
    };
  },
  exit: (code) => process.exit(code),
};

// A reader that has seen enough (`| head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await main(process.argv.slice(2), terminal);

// How a test tells the moody app, in other processes, whom to fail.
import { tmpdir } from 'node:os';
import path from 'node:path';

export function moodFile(testPid: number): string {
  return path.join(tmpdir(), `tandem-failover-mood-${testPid.toString()}`);
}

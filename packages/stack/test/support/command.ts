// npm run stack as a process, and the programs that it finds.
import { spawn } from 'node:child_process';
import { mkdtemp, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

const root = path.join(__dirname, '..', '..', '..', '..');

export interface Said {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command as a process, with what it starts in this folder. */
export async function stackIn(
  folder: string,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<Said> {
  const none = { TANDEM_KAFKA: undefined, TANDEM_ZOOKEEPER: undefined, DATABASE_URL: undefined };
  const child = spawn(process.execPath, ['scripts/run.mjs', 'packages/stack/src/main.ts', ...args], {
    cwd: root,
    env: { ...process.env, ...none, TANDEM_STACK_DIR: folder, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { exitCode, stdout, stderr };
}

/** A PATH on which there are node and these shell scripts, and nothing else. */
export async function makePath(folder: string, programs: Readonly<Record<string, string>>): Promise<string> {
  const bin = await mkdtemp(path.join(folder, 'bin-'));
  await symlink(process.execPath, path.join(bin, 'node'));
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(path.join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return bin;
}

// PostgreSQL refuses to run as root: whom it runs as there, and which folders that user can get to.
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { EmbeddedError } from './error.ts';

export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

const nobody: ServerUser = { uid: 65534, gid: 65534 };

/** Undefined: as whoever runs this. As root: `postgres`, else `nobody`, else the first ordinary user there is. */
export async function serverUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = parsePasswd(await readFile('/etc/passwd', 'utf8').catch(() => ''));
  const chosen =
    users.find((user) => user.name === 'postgres') ??
    users.find((user) => user.uid === nobody.uid) ??
    users.find((user) => user.uid > 0);
  if (chosen === undefined) {
    throw new EmbeddedError(
      'embedded-unsupported',
      'PostgreSQL does not run as root and /etc/passwd has no other user. Run as an ordinary user, or set DATABASE_URL',
    );
  }
  return chosen;
}

function parsePasswd(text: string): readonly (ServerUser & { readonly name: string })[] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 7)
    .map((fields) => ({ name: fields[0] ?? '', uid: Number(fields[2]), gid: Number(fields[3]) }));
}

/** Whether every folder on the way to `file` lets `user` through; parts that do not exist yet count as open. */
export async function canReach(file: string, user: ServerUser): Promise<boolean> {
  const { root } = path.parse(file);
  for (let folder = path.dirname(path.resolve(file)); folder !== root; folder = path.dirname(folder)) {
    const found = await stat(folder).catch(() => undefined);
    if (found === undefined) continue;
    const shift = found.uid === user.uid ? 6 : found.gid === user.gid ? 3 : 0;
    if (((found.mode >> shift) & 1) === 0) return false;
  }
  return true;
}

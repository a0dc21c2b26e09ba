// tandem snapshot take | list | download: revisions, the snapshots that are kept.
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { TandemError, toError } from '@tandem/ports';
import { activeNode, anyNode, findTargets, type TargetOptions } from '../targets.ts';
import { roughDuration, roughSize, table, type Terminal } from '../terminal.ts';

export async function takeSnapshot(app: string, options: TargetOptions, terminal: Terminal): Promise<number> {
  const active = await activeNode(await findTargets(options, terminal));
  const { revision, size_bytes } = await active.persist(app);
  terminal.out(`stored revision ${String(revision)} of ${app}, ${roughSize(size_bytes)}\n`);
  return 0;
}

export interface ListOptions extends TargetOptions {
  readonly json?: boolean;
}

export async function listSnapshots(app: string, options: ListOptions, terminal: Terminal): Promise<number> {
  const node = await anyNode(await findTargets(options, terminal));
  const revisions = await node.revisions(app);
  if (options.json === true) {
    terminal.out(`${JSON.stringify(revisions, undefined, 2)}\n`);
    return 0;
  }
  if (revisions.length === 0) {
    terminal.out(`no revision of ${app} yet\n`);
    return 0;
  }
  const rows = revisions.map((revision) => [
    String(revision.revision),
    `${revision.createdAt} (${roughDuration(Date.now() - Date.parse(revision.createdAt))} ago)`,
    String(revision.epoch),
    String(revision.appVersion),
    roughSize(revision.size_bytes),
    showPositions(revision.positions),
  ]);
  terminal.out(table(['>REVISION', 'TAKEN', '>EPOCH', '>VERSION', '>SIZE', 'POSITIONS'], rows));
  return 0;
}

export function showPositions(positions: Readonly<Record<string, string>>): string {
  const shown = Object.entries(positions).map(([task, position]) => `${task}:${position}`);
  return shown.length <= 8 ? shown.join(' ') : `${shown.slice(0, 8).join(' ')} and ${String(shown.length - 8)} more`;
}

export interface DownloadOptions extends TargetOptions {
  readonly revision?: number;
  readonly output?: string;
}

export async function downloadSnapshot(app: string, options: DownloadOptions, terminal: Terminal): Promise<number> {
  const node = await anyNode(await findTargets(options, terminal));
  const revision = options.revision ?? (await node.revisions(app))[0]?.revision;
  if (revision === undefined) {
    throw new TandemError('revision-missing', `no revision of ${app} yet. Take one with: tandem snapshot take ${app}`);
  }
  const content = await node.revision(app, revision);
  if (options.output === '-') {
    for await (const chunk of content) await terminal.outBytes(chunk);
    return 0;
  }
  const file = options.output ?? `${app}.revision-${String(revision)}.gz`;
  // Under its name only once it is whole.
  const partial = `${file}.part`;
  let size_bytes = 0;
  try {
    const counted = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of content) {
        size_bytes += chunk.length;
        yield chunk;
      }
    };
    await pipeline(counted, createWriteStream(partial));
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw notSaved(`revision ${String(revision)} of ${app} could not be saved to ${file}`, error);
  }
  terminal.out(`saved revision ${String(revision)} of ${app} to ${file}, ${roughSize(size_bytes)}\n`);
  return 0;
}

function notSaved(what: string, error: unknown): TandemError {
  const { code, syscall, message } = toError(error) as NodeJS.ErrnoException;
  if (code === 'ECONNRESET') {
    const todo = 'Its log says why; another revision may be whole';
    return new TandemError('download', `${what}: the node broke off. ${todo}`, { cause: error });
  }
  // The file could not be made: what was asked for is not possible.
  const blame = syscall === 'open' || syscall === 'rename' ? 'user' : 'failure';
  return new TandemError('download', `${what}: ${message}. Name another file with --output`, { blame, cause: error });
}

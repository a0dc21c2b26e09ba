// A small file system of its own, for a disk that can be filled without harm to anything else.
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';

const block_bytes = 64 * 1024;
const page_bytes = 4096;

export class Disk {
  /** Name of the tablespace on it. */
  readonly tablespace = 'small_disk';
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** A tmpfs, which takes root on Linux. @returns why there is none, where there is none. */
  static async mount(size_mb: number): Promise<Disk | string> {
    if (process.platform !== 'linux') return 'a small file system can be mounted on Linux only';
    const folder = await mkdtemp(path.join(tmpdir(), 'tandem-disk-'));
    try {
      await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', `size=${size_mb.toString()}m`, 'tmpfs', folder]);
    } catch (thrown) {
      await rm(folder, { recursive: true });
      const [line = ''] = (thrown instanceof Error ? thrown.message : String(thrown)).trim().split('\n').slice(-1);
      return `a small file system cannot be mounted here (${line})`;
    }
    await chmod(folder, 0o755);
    return new Disk(folder);
  }

  /** `dataFolder`: the server's, whose user must own what it writes to. */
  async createTablespace(client: pg.Client, dataFolder: string): Promise<void> {
    const location = path.join(this.#folder, 'tablespace');
    await mkdir(location, { mode: 0o700 });
    const { uid, gid } = await stat(dataFolder);
    await chown(location, uid, gid);
    await client.query(`CREATE TABLESPACE ${this.tablespace} LOCATION '${location}'`);
  }

  /** Until nothing more goes in. */
  async fill(): Promise<void> {
    const file = await open(this.#ballast, 'a');
    try {
      for (const size_bytes of [block_bytes, page_bytes]) {
        const zeroes = Buffer.alloc(size_bytes);
        for (let isFull = false; !isFull;) {
          isFull = await file.write(zeroes).then(
            ({ bytesWritten }) => bytesWritten < size_bytes,
            (thrown: unknown) => {
              if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOSPC') return true;
              throw thrown;
            },
          );
        }
      }
    } finally {
      await file.close();
    }
  }

  async empty(): Promise<void> {
    await rm(this.#ballast, { force: true });
  }

  /** What is on it is gone: the server must have been stopped. */
  async unmount(): Promise<void> {
    await promisify(execFile)('umount', [this.#folder]);
    await rm(this.#folder, { recursive: true });
  }

  get #ballast(): string {
    return path.join(this.#folder, 'ballast');
  }
}

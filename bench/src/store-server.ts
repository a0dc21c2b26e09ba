// The embedded PostgreSQL server as one that can be killed, and started again where it was.
import { startEmbedded, type EmbeddedServer } from '@tandem/embedded';
import { waitFor } from '@tandem/harness';
import type { Server } from './stack.ts';

const end_ms = 30_000;

export class StoreServer implements Server {
  #server: EmbeddedServer;

  constructor(server: EmbeddedServer) {
    this.#server = server;
  }

  async kill(): Promise<void> {
    const { pid } = this.#server;
    process.kill(pid, 'SIGKILL');
    await waitFor('PostgreSQL is gone', { limit_ms: end_ms }, () => (isThere(pid) ? undefined : true));
  }

  async start(): Promise<void> {
    const { dataDir, port } = this.#server;
    this.#server = await startEmbedded({ dataDir, port });
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

// What a file of tests runs on: a database of its own; for each test a receiver, an app of its own and its publishers.
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import type { Publisher } from '@tandem/ports';
import { createPublisher, genesis, open, type Made } from './publishing.ts';
import { TestReceiver } from './server.ts';

export class Stage {
  #database: TestDatabase | undefined;
  #receiver: TestReceiver | undefined;
  #apps = 0;
  readonly #made: Publisher[] = [];

  get url(): string {
    return this.#database?.url ?? '';
  }

  get app(): string {
    return `app${String(this.#apps)}`;
  }

  get receiver(): TestReceiver {
    if (this.#receiver === undefined) throw new Error('there is one in a test only');
    return this.#receiver;
  }

  /** In place of the one that has been closed. */
  async openReceiver(): Promise<void> {
    this.#receiver = await TestReceiver.open();
  }

  /** Its sinks are checked; by default one, `alerts`. */
  async create(sinks?: Made['sinks'], more: Partial<Made> = {}): Promise<Publisher> {
    const publisher = await createPublisher({
      app: this.app,
      databaseUrl: this.url,
      sinks: sinks ?? { alerts: { url: `${this.receiver.url}/hook?a=b` } },
      ...more,
    });
    this.#made.push(publisher);
    await publisher.layout();
    return publisher;
  }

  /** In epoch 1, at genesis. */
  async opened(sinks?: Made['sinks'], more?: Partial<Made>): Promise<Publisher> {
    const publisher = await this.create(sinks, more);
    await open(publisher, 1, genesis);
    return publisher;
  }

  async begin(): Promise<void> {
    this.#database = await (await sharedTestServer()).createDatabase();
  }

  async end(): Promise<void> {
    await this.#database?.drop();
  }

  async beginTest(): Promise<void> {
    this.#apps++;
    await this.openReceiver();
  }

  async endTest(): Promise<void> {
    await Promise.all(this.#made.splice(0).map((publisher) => publisher.close()));
    await this.receiver.close();
  }
}

/** With the hooks of the file that calls it. */
export function stageOfThisFile(): Stage {
  const stage = new Stage();
  beforeAll(() => stage.begin(), 60_000);
  afterAll(() => stage.end());
  beforeEach(() => stage.beginTest());
  afterEach(() => stage.endTest());
  return stage;
}

/** What `step` and `steps` make of these inputs. */
export function numbers(from: number, to: number, task = 'in/0'): string[] {
  return Array.from({ length: to - from }, (_, index) => `${task} ${String(from + index)}`);
}

export async function stored(publisher: Publisher): Promise<Record<string, number>> {
  return Object.fromEntries((await publisher.readBack()).positions);
}

// A database of its own for each test file, and a bare client for what the tests do behind the adapters' backs.
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { Client } from 'pg';

export async function freshDatabase(): Promise<TestDatabase> {
  return await (await sharedTestServer()).createDatabase();
}

export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

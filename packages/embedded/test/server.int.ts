import pg from 'pg';
import { sharedTestServer } from '@tandem/embedded';
it('x', async () => {
  const s = await sharedTestServer();
  const d = await s.createDatabase();
  const c = new pg.Client({ connectionString: d.url });
  await c.connect();
  console.log((await c.query('select version(), current_database()')).rows);
  await c.end();
  await d.drop();
});

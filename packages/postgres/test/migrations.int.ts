import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { migrate, openConnection, type Connection } from '@tandem/postgres';

let database: TestDatabase;
let connection: Connection;

beforeEach(async () => {
  database = await (await sharedTestServer()).createDatabase();
  connection = await openConnection({ url: database.url, role: 'test' });
});

afterEach(async () => {
  await connection.close();
  await database.drop();
});

const first = { id: '0001-first', sql: 'CREATE TABLE one (n integer)' };
const second = { id: '0002-second', sql: 'CREATE TABLE two (n integer)' };

describe('migrations', () => {
  it('make the schema once, however many come at the same time', async () => {
    const others = await Promise.all([1, 2, 3].map(() => openConnection({ url: database.url, role: 'test' })));
    await Promise.all([connection, ...others].map((each) => migrate(each, 'tandem')));
    await migrate(connection, 'tandem');
    const { rows } = await connection.query<{ id: string }>('SELECT id FROM tandem.migration ORDER BY id');
    expect(rows.map((row) => row.id).slice(0, 2)).toEqual(['0001-coordination', '0002-snapshots']);
    await Promise.all(others.map((each) => each.close()));
  });

  it('apply what is missing, in a schema of the name that was asked for', async () => {
    await migrate(connection, 'user', [first]);
    await migrate(connection, 'user', [first, second]);
    const { rows } = await connection.query('SELECT * FROM "user".two');
    expect(rows).toEqual([]);
  });

  it('leave nothing behind when one of them fails', async () => {
    const broken = { id: '0002-broken', sql: 'CREATE TABLE one (n integer)' };
    await expect(migrate(connection, 'tandem', [first, broken])).rejects.toThrow('already exists');
    const { rows } = await connection.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'tandem'`);
    expect(rows).toEqual([]);
  });

  it('refuse a schema that a newer version has changed', async () => {
    await migrate(connection, 'tandem', [first, second]);
    await expect(migrate(connection, 'tandem', [first])).rejects.toMatchObject({ code: 'schema-newer', blame: 'user' });
  });

  it('refuse a schema whose steps were not these', async () => {
    await migrate(connection, 'tandem', [first]);
    const altered = { ...first, sql: 'CREATE TABLE one (n bigint)' };
    await expect(migrate(connection, 'tandem', [altered])).rejects.toMatchObject({ code: 'schema-altered' });
  });

  it('refuse a name that is not a plain identifier', async () => {
    await expect(migrate(connection, 'a"; DROP SCHEMA public; --')).rejects.toMatchObject({ code: 'schema-name' });
  });

  it('need no rights when there is nothing to do', async () => {
    await migrate(connection, 'tandem', [first]);
    const role = `reader_${database.name}`;
    await connection.query(`CREATE ROLE "${role}"`);
    await connection.query(`GRANT USAGE ON SCHEMA tandem TO "${role}"`);
    await connection.query(`GRANT SELECT ON ALL TABLES IN SCHEMA tandem TO "${role}"`);
    await connection.query(`SET ROLE "${role}"`);
    await migrate(connection, 'tandem', [first]);
    await expect(migrate(connection, 'tandem', [first, second])).rejects.toMatchObject({ code: 'schema-rights' });
    await connection.query('RESET ROLE');
    await connection.query(`DROP OWNED BY "${role}"`);
    await connection.query(`DROP ROLE "${role}"`);
  });
});

import { postgresCoordinatorSchema, postgresStoreSchema, postgresSystemSchema } from '@tandem/postgres';

describe('the configuration of PostgreSQL', () => {
  it('needs a URL, and has defaults for the rest', () => {
    expect(postgresSystemSchema.parse({ url: 'postgres://localhost/db' })).toEqual({
      url: 'postgres://localhost/db',
      schema: 'tandem',
    });
    expect(postgresCoordinatorSchema.parse({})).toEqual({ sessionTimeout: 1000 });
    expect(postgresStoreSchema.parse({})).toEqual({});
  });

  it.each([
    ['another protocol', postgresSystemSchema, { url: 'mysql://localhost/db' }],
    ['a schema that would need quotes', postgresSystemSchema, { url: 'postgres://localhost/db', schema: 'My Schema' }],
    ['a misspelt option', postgresSystemSchema, { url: 'postgres://localhost/db', shema: 'tandem' }],
    ['a session too short to renew', postgresCoordinatorSchema, { sessionTimeout: '100ms' }],
    ['a session longer than a minute', postgresCoordinatorSchema, { sessionTimeout: '2m' }],
    ['options of the store, which has none', postgresStoreSchema, { keep: 3 }],
  ])('refuses %s', (_what, schema, value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});

import { postgresSinkSchema, postgresSourceSchema } from '@tandem/postgres';

describe('the configuration of sources and sinks', () => {
  it('takes a log, and how to make it', () => {
    expect(postgresSourceSchema.parse({ log: 'orders' })).toEqual({ log: 'orders' });
    const made = { log: 'orders.v2', create: { partitions: 4 } };
    expect(postgresSourceSchema.parse(made)).toEqual(made);
    expect(postgresSinkSchema.parse(made)).toEqual(made);
  });

  it('takes a table with columns', () => {
    const binding = { table: 'shop.totals', columns: { key: 'customer', count: 'orders' }, upsert: ['customer'] };
    expect(postgresSinkSchema.parse(binding)).toEqual(binding);
  });

  it.each([
    ['a log name that is none', { log: "o'rders" }],
    ['a log name that is too long', { log: 'x'.repeat(49) }],
    ['no partitions', { log: 'orders', create: { partitions: 0 } }],
    ['a word it does not know', { log: 'orders', topic: 'orders' }],
    ['a table without columns', { table: 'totals', columns: {} }],
    ['a log and a table at once', { log: 'orders', table: 'totals', columns: { key: 'k' } }],
  ])('refuses %s', (_, binding) => {
    expect(postgresSinkSchema.safeParse(binding).success).toBe(false);
  });
});

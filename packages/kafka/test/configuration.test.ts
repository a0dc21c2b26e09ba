import { kafkaSecrets, kafkaSinkSchema, kafkaSourceSchema, kafkaSystemSchema } from '@tandem/kafka';
import { parseBroker } from '../src/broker-address.ts';

describe('the configuration of Kafka', () => {
  it('needs brokers only', () => {
    expect(kafkaSystemSchema.parse({ brokers: ['kafka1:9092', '[::1]:9093'] })).toEqual({
      brokers: ['kafka1:9092', '[::1]:9093'],
      client: 'native',
      clientId: 'tandem',
      transactionTimeout: 10_000,
    });
    expect(parseBroker('kafka1:9092')).toEqual({ host: 'kafka1', port: 9092 });
    expect(parseBroker('[::1]:9093')).toEqual({ host: '::1', port: 9093 });
  });

  it('takes certificates and a login, and knows what of them must not be shown', () => {
    const system = kafkaSystemSchema.parse({
      brokers: ['kafka1:9093'],
      tls: { ca: '/etc/ca.pem', cert: '/etc/cert.pem', key: '/etc/key.pem', passphrase: 'of the key' },
      sasl: { mechanism: 'scram-sha-512', username: 'tandem', password: 'of the user' },
      transactionTimeout: '30s',
    });
    expect(system).toMatchObject({ transactionTimeout: 30_000, sasl: { mechanism: 'scram-sha-512' } });
    expect(kafkaSecrets(system)).toEqual(['of the key', 'of the user']);
    const bearer = { brokers: ['k:1'], tls: {}, sasl: { mechanism: 'oauthbearer', token: 'a token' } };
    expect(kafkaSecrets(kafkaSystemSchema.parse(bearer))).toEqual(['a token']);
  });

  it.each([
    ['no brokers', { brokers: [] }],
    ['a broker without a port', { brokers: ['kafka1'] }],
    ['a broker with a port that is none', { brokers: ['kafka1:99999'] }],
    ['a URL', { brokers: ['kafka://kafka1:9092'] }],
    ['a login without its password', { brokers: ['k:1'], sasl: { mechanism: 'plain', username: 'tandem' } }],
    ['a token that is missing', { brokers: ['k:1'], sasl: { mechanism: 'oauthbearer', username: 'tandem' } }],
    ['a mechanism it does not know', { brokers: ['k:1'], sasl: { mechanism: 'gssapi' } }],
    ['a certificate without its key', { brokers: ['k:1'], tls: { cert: '/etc/cert.pem' } }],
    ['a time-out without a unit', { brokers: ['k:1'], transactionTimeout: '10' }],
    ['a time-out that brokers do not take', { brokers: ['k:1'], transactionTimeout: '1h' }],
    ['another client', { brokers: ['k:1'], client: 'rdkafka' }],
  ])('refuses %s', (_, system) => {
    expect(kafkaSystemSchema.safeParse(system).success).toBe(false);
  });
});

describe('the configuration of sources and sinks', () => {
  it('takes a topic, and how to make it', () => {
    expect(kafkaSourceSchema.parse({ topic: 'orders' })).toEqual({ topic: 'orders', compacted: false });
    expect(kafkaSinkSchema.parse({ topic: 'totals', create: { partitions: 4, replication: 3 } })).toEqual({
      topic: 'totals',
      compression: 'none',
      create: { partitions: 4, replication: 3 },
    });
  });

  it.each([
    ['a name that no topic can have', { topic: 'orders/eu' }],
    ['a name that is too long', { topic: 'x'.repeat(250) }],
    ['no partitions', { topic: 'orders', create: { partitions: 0 } }],
    ['a compression it does not write', { topic: 'orders', compression: 'zstd' }],
    ['a word it does not know', { topic: 'orders', group: 'shop' }],
  ])('refuses %s', (_, binding) => {
    expect(kafkaSinkSchema.safeParse(binding).success).toBe(false);
  });
});

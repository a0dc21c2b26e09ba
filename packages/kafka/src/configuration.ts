// What a user writes about Kafka, checked by these schemas; the configuration reference is made from them.
import { duration } from '@tandem/ports/configuration';
import { z } from 'zod';
import { brokerPattern } from './broker-address.ts';

const file = (what: string) => z.string().min(1).optional().describe(`Path of a PEM file: ${what}.`);

const tls = z
  .strictObject({
    ca: file('the authorities that brokers are checked against. Default: those that Node.js knows'),
    cert: file("this client's certificate, where brokers ask for one"),
    key: file("the certificate's private key"),
    passphrase: z.string().min(1).optional().describe('Of the private key. Never shown.'),
    serverName: z
      .string()
      .min(1)
      .optional()
      .describe("Name that brokers' certificates are checked for. Default: the host connected to."),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'needs both cert and key, or neither')
  .optional()
  .describe(
    'Encrypted connections; `{}` is enough where Node.js knows the authority. Without it nothing is encrypted.',
  );

const sasl = z
  .strictObject({
    mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer']).describe('How to authenticate.'),
    username: z.string().min(1).optional().describe('Needed by plain and scram.'),
    password: z.string().min(1).optional().describe('Needed by plain and scram. Never shown.'),
    token: z.string().min(1).optional().describe('Needed by oauthbearer. Never shown.'),
  })
  .superRefine(({ mechanism, username, password, token }, context) => {
    const needs = mechanism === 'oauthbearer' ? { token } : { username, password };
    for (const [name, value] of Object.entries(needs)) {
      if (value === undefined) context.addIssue({ code: 'custom', message: `${mechanism} needs ${name}` });
    }
  })
  .optional()
  .describe('Authentication. Without it connections are anonymous.');

export const kafkaSystemSchema = z
  .strictObject({
    brokers: z
      .array(
        z.string().refine((text) => {
          const match = brokerPattern.exec(text);
          return match !== null && Number(match[2]) <= 65_535;
        }, 'must be written like kafka1:9092'),
      )
      .min(1)
      .describe('Brokers to ask first, as host:port; the others are learnt from them.'),
    client: z
      .enum(['native', 'kafkajs'])
      .default('native')
      .describe(
        'What speaks to the brokers: `native`, which is faster, or `kafkajs`. Both keep the same; a pair may change from one to the other.',
      ),
    clientId: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, dashes or underscores')
      .default('tandem')
      .describe("Shows in the brokers' logs, metrics and quotas."),
    tls,
    sasl,
    transactionTimeout: duration({ least_ms: 1000, most_ms: 900_000 })
      .prefault('10s')
      .describe(
        'After this long the brokers undo a transaction that its node has left open. Readers of the sinks wait for it at most that long; not above transaction.max.timeout.ms of the brokers.',
      ),
  })
  .describe('A Kafka cluster, version 3.5 or newer.');

const topic = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,249}$/, 'must be 1 to 249 letters, digits, dots, dashes or underscores')
  .refine((name) => name !== '.' && name !== '..', 'must not be . or ..')
  .describe('Name of the topic.');

const create = z
  .strictObject({
    partitions: z.int().min(1).max(10_000).describe('Number of partitions of the new topic.'),
    replication: z
      .int()
      .min(1)
      .max(32_767)
      .optional()
      .describe("Copies of each partition. Default: the brokers' default.replication.factor."),
  })
  .optional()
  .describe('Makes the topic when it is missing; without it a missing topic is an error.');

export const kafkaSourceSchema = z
  .strictObject({
    topic,
    compacted: z
      .boolean()
      .default(false)
      .describe(
        'Set it to accept a compacted topic: records that were compacted away are not seen again in a replay, so both nodes must come to the same outputs and state without them.',
      ),
    create,
  })
  .describe('Reads a topic.');

export const kafkaSinkSchema = z
  .strictObject({
    topic,
    compression: z.enum(['none', 'gzip']).default('none').describe('How batches of outputs are compressed.'),
    create,
  })
  .describe('Writes to a topic, in the same transaction as the published position.');

export type KafkaSystem = z.infer<typeof kafkaSystemSchema>;
export type KafkaSourceBinding = z.infer<typeof kafkaSourceSchema>;
export type KafkaSinkBinding = z.infer<typeof kafkaSinkSchema>;

/** Values that must never be shown. */
export function kafkaSecrets({ tls: encryption, sasl: login }: KafkaSystem): readonly string[] {
  return [encryption?.passphrase, login?.password, login?.token].filter((secret) => secret !== undefined);
}

// Encrypted connections and logins, against a broker that demands them.
import { createKafkaSource, describeCluster, kafkaSourceSchema, type KafkaSystem } from '@tandem/kafka';
import { asEpoch, asPosition } from '@tandem/pair';
import { clock, outputBatch } from '@tandem/ports/contract';
import { describeWithStack, runJava, startKafka, type KafkaServer } from '@tandem/stack';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { clients, TestKafka } from './support/kafka.ts';
import { createPublisher, positionsOf, readAll } from './support/publishing.ts';

const user = { username: 'tandem', password: 'of the user' };
const storePassword = 'of the store';

/** A key pair with a certificate that it has signed itself, and that certificate as a PEM file. */
async function certificate(folder: string, name: string): Promise<{ readonly store: string; readonly pem: string }> {
  const store = path.join(folder, `${name}.p12`);
  const pem = path.join(folder, `${name}.pem`);
  const access = ['-keystore', store, '-storetype', 'PKCS12', '-storepass', storePassword, '-alias', name];
  const key = ['-keyalg', 'EC', '-groupname', 'secp256r1', '-validity', '2'];
  const owner = ['-dname', `CN=${name}`, '-ext', 'SAN=ip:127.0.0.1'];
  await java('sun.security.tools.keytool.Main', ['-genkeypair', ...key, ...owner, ...access]);
  await java('sun.security.tools.keytool.Main', ['-exportcert', '-rfc', '-file', pem, ...access]);
  return { store, pem };
}

/** Kafka's own tool, and Java's, where neither has an address in the path. */
async function java(main: string, args: readonly string[]): Promise<void> {
  const { exitCode, output } = await runJava({ source: { main } }, args);
  if (exitCode !== 0) throw new Error(output);
}

describeWithStack(
  'Kafka with certificates and logins',
  () => {
    let folder: string;
    let server: KafkaServer;
    let kafka: TestKafka;
    let ca: string;
    let stranger: string;

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'tandem-kafka-security-'));
      const own = await certificate(folder, 'broker');
      ca = own.pem;
      stranger = (await certificate(folder, 'stranger')).pem;
      const security = 'org.apache.kafka.common.security';
      server = await startKafka({
        dataDir: path.join(folder, 'kafka'),
        light: true,
        listeners: { SECURE: 'SSL', LOGIN: 'SASL_SSL', OPEN: 'SASL_PLAINTEXT' },
        properties: {
          'ssl.keystore.location': own.store,
          'ssl.keystore.type': 'PKCS12',
          'ssl.keystore.password': storePassword,
          'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
          ...Object.fromEntries(
            ['login', 'open'].flatMap((listener) => [
              [
                `listener.name.${listener}.plain.sasl.jaas.config`,
                `${security}.plain.PlainLoginModule required user_${user.username}="${user.password}";`,
              ],
              [
                `listener.name.${listener}.scram-sha-256.sasl.jaas.config`,
                `${security}.scram.ScramLoginModule required;`,
              ],
            ]),
          ),
        },
      });
      await java('kafka.admin.ConfigCommand', [
        ...[
          '--bootstrap-server',
          server.bootstrap,
          '--alter',
          '--entity-type',
          'users',
          '--entity-name',
          user.username,
        ],
        ...['--add-config', `SCRAM-SHA-256=[password=${user.password}]`],
      ]);
      kafka = await TestKafka.open(server.bootstrap);
    }, 180_000);

    afterAll(async () => {
      await kafka.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }, 60_000);

    describe.each(clients)('by %s', (client) => {
      const system = (listener: string, more: Partial<Record<keyof KafkaSystem, unknown>>): KafkaSystem =>
        kafka.system({ client, brokers: server.bootstrapOf(listener).split(','), ...more });

      const source = (of: KafkaSystem, topic = 'any') =>
        createKafkaSource({
          system: of,
          binding: kafkaSourceSchema.parse({ topic }),
          clock,
          log: () => undefined,
        });

      it.each<[what: string, listener: string, more: () => Partial<Record<keyof KafkaSystem, unknown>>]>([
        ['an encrypted connection', 'SECURE', () => ({ tls: { ca } })],
        ['PLAIN, encrypted', 'LOGIN', () => ({ tls: { ca }, sasl: { mechanism: 'plain', ...user } })],
        ['SCRAM, encrypted', 'LOGIN', () => ({ tls: { ca }, sasl: { mechanism: 'scram-sha-256', ...user } })],
        ['SCRAM, not encrypted', 'OPEN', () => ({ sasl: { mechanism: 'scram-sha-256', ...user } })],
      ])('publishes and reads over %s', async (_, listener, more) => {
        const app = kafka.newName('app');
        const topic = await kafka.topic(kafka.newName('sink'), 1);
        await positionsOf(kafka, app);
        const secured = system(listener, more());
        const publisher = createPublisher(kafka, app, [topic], { system: secured });
        expect(await publisher.open(asEpoch(1), new Map([['in/0', asPosition(0)]]))).toMatchObject({
          outcome: 'opened',
        });
        const outputs = outputBatch([['in/0', 0, 1]], [{ sink: 0, partition: 0, key: 'k', value: 'secured' }]);
        expect(await publisher.publish(outputs)).toEqual({ outcome: 'published' });
        await publisher.close();
        const read = await readAll({ system: () => secured }, topic, 0);
        expect(read.map(({ value }) => value)).toEqual(['secured']);
        expect(await describeCluster(secured)).toContain('1 broker');
      });

      it.each(['plain', 'scram-sha-256'])('says in one line that a login is wrong: %s', async (mechanism) => {
        const sasl = { mechanism, ...user, password: 'guessed' };
        const wrong = system('LOGIN', { tls: { ca }, sasl });
        const text = new RegExp(
          `^Kafka at ${server.bootstrapOf('LOGIN')} refuses the login: .+\\. Correct kafka\\.sasl$`,
        );
        const expected = {
          code: 'kafka-authentication',
          blame: 'user',
          message: expect.stringMatching(text) as string,
        };
        await expect(source(wrong)).rejects.toMatchObject(expected);
        const publisher = createPublisher(kafka, 'app', [], { system: wrong });
        await expect(publisher.layout()).rejects.toMatchObject(expected);
        const opening = await publisher.open(asEpoch(1), undefined);
        expect(opening).toMatchObject({ outcome: 'fatal', cause: expected });
        await publisher.close();
        await expect(describeCluster(wrong)).rejects.toMatchObject(expected);
      });

      it('says in one line that a certificate is not to be trusted', async () => {
        const wrong = system('SECURE', { tls: { ca: stranger } });
        const text = new RegExp(
          `^Kafka at ${server.bootstrapOf('SECURE')} has a certificate that is not trusted: .+\\. Correct kafka\\.tls`,
        );
        const expected = { code: 'kafka-tls', blame: 'user', message: expect.stringMatching(text) as string };
        await expect(source(wrong)).rejects.toMatchObject(expected);
        await expect(describeCluster(wrong)).rejects.toMatchObject(expected);
      });

      it('says in one line that a listener may expect an encrypted connection', async () => {
        const wrong = system('SECURE', {});
        const expected = {
          code: 'kafka-unreachable',
          message: expect.stringMatching(/it may expect an encrypted connection \(kafka\.tls\)/) as string,
        };
        await expect(source(wrong)).rejects.toMatchObject(expected);
      });
    });
  },
  ['kafka-4.1'],
);

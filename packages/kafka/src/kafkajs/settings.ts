// TLS and login as kafkajs takes them.
import { readFile } from 'node:fs/promises';
import { TandemError } from '@tandem/ports';
import type { KafkaConfig, SASLOptions } from 'kafkajs';
import type { KafkaSystem } from '../configuration.ts';
import { reasonOf } from '../errors.ts';

/** @throws TandemError (user) where a file cannot be read. */
export async function encryption({ tls }: KafkaSystem): Promise<Pick<KafkaConfig, 'ssl'>> {
  if (tls === undefined) return {};
  const read = async (file: string | undefined): Promise<Buffer | undefined> =>
    file === undefined ? undefined : await readFile(file);
  try {
    const [ca, cert, key] = await Promise.all([read(tls.ca), read(tls.cert), read(tls.key)]);
    const { passphrase, serverName: servername } = tls;
    return {
      ssl: {
        ...(ca !== undefined && { ca }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        ...(passphrase !== undefined && { passphrase }),
        ...(servername !== undefined && { servername }),
      },
    };
  } catch (thrown) {
    const text = `kafka.tls: ${reasonOf(thrown)}. Name a PEM file that this process may read`;
    throw new TandemError('kafka-tls', text, { blame: 'user', cause: thrown });
  }
}

export function login({
  mechanism,
  username = '',
  password = '',
  token = '',
}: NonNullable<KafkaSystem['sasl']>): SASLOptions {
  if (mechanism !== 'oauthbearer') return { mechanism, username, password };
  return { mechanism, oauthBearerProvider: () => Promise.resolve({ value: token }) };
}

// What a JVM needs to run Kafka: its jars and, where it has been made, the archive of its loaded classes, which halves
// the work of a start.
import { createHash } from 'node:crypto';
import path from 'node:path';
import { exists } from '@tandem/embedded';
import { fetchJars } from './jars.ts';
import { requireJava } from './java.ts';

export type KafkaVersion = '4.1' | '3.9';

export interface KafkaRuntime {
  readonly java: string;
  /** Of the JVM; the class path among them. */
  readonly options: readonly string[];
}

/** @throws TandemError */
export async function kafkaRuntime(version: KafkaVersion): Promise<KafkaRuntime> {
  const { java, options, archive } = await runtimeFiles(version);
  return { java, options: (await exists(archive)) ? [`-XX:SharedArchiveFile=${archive}`, ...options] : options };
}

/** With the place of the archive, there or not: it fits these jars, which never change, and this build of Java. */
export async function runtimeFiles(version: KafkaVersion): Promise<KafkaRuntime & { readonly archive: string }> {
  const lib = await fetchJars(`kafka-${version}`);
  const { program, build } = await requireJava();
  const hash = createHash('sha256').update(build).digest('hex').slice(0, 12);
  return {
    java: program,
    // No log: also not of an archive that does not fit after all, and is not used then.
    options: ['-XX:+UseSerialGC', '-Xlog:disable', '-cp', path.join(lib, '*')],
    archive: path.join(path.dirname(lib), `classes-${hash}.jsa`),
  };
}

// Makes the archive of Kafka's loaded classes, once for its jars and a build of Java, by a run that is thrown away.
import { mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { exists } from '@tandem/embedded';
import { pidName } from './jvm-server.ts';
import { KafkaNode, nodeFolder } from './kafka-node.ts';
import { runtimeFiles, type KafkaVersion } from './kafka-runtime.ts';
import { choosePorts } from './network.ts';
import { release, startOwned, whileLocked } from './ownership.ts';

/** It writes the archive when it ends. */
const archiveLimit_ms = 60_000;

/** Fetches the jars and makes the archive, unless both are there. @throws TandemError */
export async function prepareKafka(version: KafkaVersion): Promise<void> {
  const { archive } = await runtimeFiles(version);
  if (await exists(archive)) return;
  await whileLocked(path.dirname(archive), async () => {
    if (!(await exists(archive))) await makeArchive(version);
  });
}

async function makeArchive(version: KafkaVersion): Promise<void> {
  const { java, options, archive } = await runtimeFiles(version);
  const folder = await mkdtemp(path.join(path.dirname(archive), 'rehearsal-'));
  const half = path.join(folder, 'classes.jsa');
  const [port = 0, controllerPort = 0] = await choosePorts([undefined, undefined]);
  const cluster = {
    version,
    clusterId: 'cmVoZWFyc2FsLW9mLWFsbA',
    light: false,
    properties: {},
    listeners: {},
    nodes: [{ id: 1, port, controllerPort, listenerPorts: [] }],
  };
  const runtime = { java, options: [`-XX:ArchiveClassesAtExit=${half}`, ...options] };
  const node = new KafkaNode(folder, cluster, 1, () => Promise.resolve(runtime));
  try {
    await startOwned(
      folder,
      { pidFiles: [path.join(nodeFolder(1), pidName)], sign: folder, signals: ['SIGKILL'] },
      () => node.startLocked(),
    );
    await release(folder, () => node.stop(archiveLimit_ms));
    // Without one every start takes longer, and nothing else is different.
    if (await exists(half)) await rename(half, archive);
  } finally {
    await release(folder, () => node.kill());
    await rm(folder, { recursive: true, force: true });
  }
}

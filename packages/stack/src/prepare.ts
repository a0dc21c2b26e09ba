// Everything that is needed to start what a set of jars holds, ahead of time: it may download.
import { fetchJars, type JarSet } from './jars.ts';
import { prepareKafka } from './kafka-archive.ts';

/** @throws TandemError */
export async function prepare(set: JarSet): Promise<void> {
  switch (set) {
    case 'kafka-4.1':
      await prepareKafka('4.1');
      return;
    case 'kafka-3.9':
      await prepareKafka('3.9');
      return;
    case 'zookeeper-3.9':
      await fetchJars(set);
  }
}

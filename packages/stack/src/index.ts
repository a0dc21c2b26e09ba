// Real Apache Kafka and ZooKeeper on this machine: for the tests, the demo and the benchmarks.
export { describeWithStack, type StackNeed } from './describe.ts';
export { fetchJars, type JarSet } from './jars.ts';
export { startKafka, type KafkaBroker, type KafkaOptions, type KafkaServer } from './kafka.ts';
export type { KafkaVersion } from './kafka-runtime.ts';
export { runJava, type JavaProgram, type JavaResult } from './run-java.ts';
export { sharedTestKafka, sharedTestZooKeeper } from './test-servers.ts';
export { startZooKeeper, type ZooKeeperOptions, type ZooKeeperServer } from './zookeeper.ts';

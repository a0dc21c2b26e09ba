// What the composition root, tools and tests need of Kafka.
export { describeCluster } from './admin.ts';
export { RecordBatchReader, type AbortedTransaction, type ReadOptions } from './codec/record-batch-reader.ts';
export { RecordBatchWriter, type BatchHeader, type RecordSlices } from './codec/record-batch-writer.ts';
export * from './configuration.ts';
export { examineKafka, type KafkaUse } from './examine.ts';
export { groupOf, positionsTopic, positionsTopicSettings } from './positions-topic.ts';
export {
  forgetPublished,
  highestPublished,
  readPublished,
  type PublishedTarget,
  type StoredLane,
} from './published.ts';
export { createKafkaPublisher, type PublisherOptions, type PublisherSettings } from './publisher.ts';
export { createKafkaSource, type SourceOptions } from './source-log.ts';
export { prepareTopics, type AppTopics } from './topics.ts';

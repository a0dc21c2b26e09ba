// What the composition root and tests need of Kafka.
export { RecordBatchReader, type AbortedTransaction, type ReadOptions } from './codec/record-batch-reader.ts';
export { RecordBatchWriter, type BatchHeader, type RecordSlices } from './codec/record-batch-writer.ts';
export * from './configuration.ts';
export { createKafkaSource, type SourceOptions } from './source-log.ts';
export { createKafkaPublisher, type PublisherOptions, type PublisherSettings } from './publisher.ts';
export { positionsTopic, positionsTopicSettings } from './positions-topic.ts';

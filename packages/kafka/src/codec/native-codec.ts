// The codec of our own: record batches read where they lie, and written into one buffer.
import type { Buffer } from 'node:buffer';
import type { Codec } from '../records.ts';
import { SourcePage } from '../source-page.ts';
import { loadDecompressors } from './compression.ts';
import { RecordBatchWriter } from './record-batch-writer.ts';

export const nativeCodec: Codec = {
  load: (records) => loadDecompressors(records as Buffer),
  page: (topic) => new SourcePage(topic),
  writer: () => new RecordBatchWriter(),
};

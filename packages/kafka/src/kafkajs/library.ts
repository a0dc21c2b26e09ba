// kafkajs itself, loaded only where it is asked for: that takes a lane longer than all the rest of this adapter. A
// leaf on purpose: of what a lazily loaded module imports, a bundle leaves nothing out, used or not.
import kafkajs from 'kafkajs';
import Connection from 'kafkajs/src/network/connection.js';
import Decoder from 'kafkajs/src/protocol/decoder.js';
import Encoder from 'kafkajs/src/protocol/encoder.js';
import decodeBatch from 'kafkajs/src/protocol/recordBatch/v0/decoder.js';
import definitions from 'kafkajs/src/protocol/requests/index.js';

const { CompressionCodecs, CompressionTypes } = kafkajs;

export { CompressionCodecs, CompressionTypes, Connection, Decoder, decodeBatch, definitions, Encoder };

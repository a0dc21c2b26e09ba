// What internals.ts uses of kafkajs beyond its public API, which is all that kafkajs declares types of.
/* eslint-disable no-restricted-exports -- these modules are another package's: they are declared as Node.js sees them */

declare module 'kafkajs/src/network/connection.js' {
  import type { Socket } from 'node:net';

  export interface Protocol {
    readonly request: {
      readonly apiKey: number;
      readonly apiVersion: number;
      readonly apiName: string;
      encode(): Promise<unknown>;
    };
    readonly response: { decode(payload: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> };
    readonly logResponseError?: boolean;
  }

  export interface ConnectionOptions {
    readonly host: string;
    readonly port: number;
    readonly clientId: string;
    readonly connectionTimeout: number;
    readonly requestTimeout: number;
    readonly enforceRequestTimeout: boolean;
    readonly logger: unknown;
    readonly socketFactory: (options: {
      readonly host: string;
      readonly port: number;
      readonly ssl?: object | null;
      readonly onConnect: () => void;
    }) => Socket;
    readonly ssl: object | null;
    readonly sasl: object | null;
  }

  export default class Connection {
    readonly requestQueue: {
      readonly pending: readonly unknown[];
      readonly throttleCheckTimeoutId: unknown;
      checkPendingRequests(): void;
      scheduleCheckPendingRequests(): void;
    };
    constructor(options: ConnectionOptions);
    connect(): Promise<unknown>;
    setVersions(versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>): void;
    setSupportAuthenticationProtocol(isSupported: boolean): void;
    authenticate(): Promise<void>;
    send(protocol: Protocol): Promise<unknown>;
    rejectRequests(error: Error): void;
    disconnect(): Promise<unknown>;
  }
}

declare module 'kafkajs/src/protocol/requests/index.js' {
  import type { Protocol } from 'kafkajs/src/network/connection.js';

  interface Definition {
    readonly versions: readonly string[];
    protocol(options: { readonly version: number }): ((options?: object) => Protocol) | undefined;
  }
  const definitions: { readonly requests: Readonly<Record<string, Definition>> };
  export default definitions;
}

declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    writeInt16(value: number): this;
    writeInt32(value: number): this;
    writeInt64(value: string): this;
    writeUVarInt(value: number): this;
    writeUVarIntString(value: string | null): this;
  }
}

declare module 'kafkajs/src/protocol/decoder.js' {
  export default class Decoder {
    readonly offset: number;
    constructor(buffer: Buffer);
    readInt8(): number;
    readInt16(): number;
    readInt32(): number;
    readInt64(): bigint;
    readUVarInt(): number;
    readString(): string;
    readBytes(length: number): Buffer | null;
    readArray<T>(read: (decoder: Decoder) => T): T[];
    canReadBytes(length: number): boolean;
    forward(length: number): void;
  }
}

declare module 'kafkajs/src/protocol/recordBatch/v0/decoder.js' {
  import type Decoder from 'kafkajs/src/protocol/decoder.js';

  interface Batch {
    readonly firstOffset: string;
    readonly lastOffsetDelta: number;
    readonly producerId: string;
    readonly inTransaction: boolean;
    readonly isControlBatch: boolean;
    readonly records: readonly {
      readonly offset: string;
      readonly timestamp: string;
      readonly key: Buffer | null;
      readonly value: Buffer | null;
      readonly headers: Readonly<Record<string, Buffer | null | readonly (Buffer | null)[]>>;
    }[];
  }
  /** Rejects with KafkaJSPartialMessageError where the batch is not all there. */
  export default function decode(decoder: Decoder): Promise<Batch>;
}

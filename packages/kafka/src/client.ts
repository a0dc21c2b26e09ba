// The clients that can speak to the brokers. What is asked, when, and what each answer means is the same for all of them.
import type { Clock } from '@tandem/ports';
import type { Address } from './broker-address.ts';
import { nativeCodec } from './codec/native-codec.ts';
import type { KafkaSystem } from './configuration.ts';
import { BrokerConnection, connectionSettings, type BrokerLink } from './connection.ts';
import { kafkajsConnecting } from './kafkajs/connection.ts';
import { kafkajsCodec } from './kafkajs/records.ts';
import type { Codec } from './records.ts';

/** @throws ConnectionLost, TandemError. */
export type Connect = (address: Address) => Promise<BrokerLink>;

export interface ConnectionLimits {
  readonly connectLimit_ms: number;
  readonly requestLimit_ms: number;
}

export interface Client {
  readonly codec: Codec;
  /** Reads the certificates. @throws TandemError (user) where a file cannot be read. */
  connecting(system: KafkaSystem, clock: Clock, limits: ConnectionLimits): Promise<Connect>;
}

export const clients: Readonly<Record<KafkaSystem['client'], Client>> = {
  native: {
    codec: nativeCodec,
    async connecting(system, clock, limits) {
      const settings = await connectionSettings(system, clock, limits);
      return (address) => BrokerConnection.open(address, settings);
    },
  },
  kafkajs: {
    codec: kafkajsCodec,
    connecting: kafkajsConnecting,
  },
};

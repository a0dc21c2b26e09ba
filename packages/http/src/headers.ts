// What a request says of its output beside the body.
import type { AppName, Epoch, Position, TaskId } from '@tandem/pair';
import type { Headers } from '@tandem/ports';

/** Which output of which app: the same on both nodes, and after a restart. */
export interface OutputId {
  readonly pair: string;
  readonly app: AppName;
  readonly sink: string;
  readonly task: TaskId;
  /** Of the input. */
  readonly position: Position;
  /** Among the outputs of that input to that sink. */
  readonly ordinal: number;
}

/** `<pair>:<app>:<sink>:<task>:<position>:<ordinal>`, each part encoded so that two ids never read the same. */
export function idempotencyKey({ pair, app, sink, task, position, ordinal }: OutputId): string {
  const names = [pair, app, sink, task].map((name) => encodeURIComponent(name).replaceAll('%2F', '/'));
  return [...names, String(position), String(ordinal)].join(':');
}

/** Bytes as the value of a header: visible ASCII stands for itself, every other byte and `%` are percent-encoded. */
export function headerText(bytes: Uint8Array): string {
  return encodeBytes(bytes, /[!-$&-~]/);
}

/** Any name as a part of a header's name: what may not stand in one (RFC 9110, token) and `%` are percent-encoded. */
function headerName(name: string): string {
  return encodeBytes(Buffer.from(name), /[!#$&'*+.^_`|~0-9A-Za-z-]/);
}

function encodeBytes(bytes: Uint8Array, plain: RegExp): string {
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += plain.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

export interface Described {
  readonly id: OutputId;
  readonly epoch: Epoch;
  readonly timestamp_ms: number;
  /** Null: the output has none. */
  readonly key: Uint8Array | null;
  readonly isTombstone: boolean;
  readonly headers: Headers | undefined;
}

/** Flat name, value, name, value, ... as Node.js sends them. */
export function outputHeaders({ id, epoch, timestamp_ms, key, isTombstone, headers = [] }: Described): string[] {
  const flat = [
    ...['Idempotency-Key', idempotencyKey(id)],
    ...['Tandem-Pair', headerText(Buffer.from(id.pair)), 'Tandem-App', headerText(Buffer.from(id.app))],
    ...['Tandem-Epoch', String(epoch), 'Tandem-Timestamp', String(timestamp_ms)],
  ];
  if (key !== null) flat.push('Tandem-Key', headerText(key));
  if (isTombstone) flat.push('Tandem-Tombstone', 'true');
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const [name = '', value = ''] = headers.slice(index, index + 2);
    flat.push(`Tandem-Record-${headerName(name)}`, headerText(Buffer.from(value)));
  }
  return flat;
}

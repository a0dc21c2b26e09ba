// Where a task's outputs go: encoded once, straight into the queue of the publisher that writes their sink.
import type { OutputQueue } from '@tandem/pair';
import { partitionOf } from '@tandem/ports';
import type { InputRecord, OutputCollector } from '@tandem/streams';

/** Where the outputs of one sink wait. */
export interface SinkRoute {
  readonly queue: OutputQueue;
  /** Number of the sink within its publisher. */
  readonly sink: number;
  readonly partitions: number;
}

const noKey = Buffer.alloc(0);
const mostBytesPerUnit = 3;

export class QueueCollector implements OutputCollector {
  /** Outputs that were made and not taken back. */
  made = 0;
  readonly #routes: readonly SinkRoute[];
  readonly #queues: readonly OutputQueue[];
  /** Records without a key go by the partition of their input: the same on both nodes. */
  readonly #inputPartition: number;
  #madeByInput = 0;
  #scratch = Buffer.allocUnsafeSlow(1024);

  constructor(routes: readonly SinkRoute[], queues: readonly OutputQueue[], inputPartition: number) {
    this.#routes = routes;
    this.#queues = queues;
    this.#inputPartition = inputPartition;
  }

  emit(
    sink: number,
    key: string | Uint8Array | null,
    value: string | Uint8Array | null,
    timestamp_ms: number,
    headers?: readonly string[],
  ): void {
    if (key === null) {
      this.#append(sink, noKey, 0, -1, value, timestamp_ms, headers);
      return;
    }
    const most_bytes = typeof key === 'string' ? key.length * mostBytesPerUnit : key.length;
    if (most_bytes > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(most_bytes * 2);
    const scratch = this.#scratch;
    if (typeof key === 'string') {
      this.#append(sink, scratch, 0, scratch.write(key, 0, 'utf8'), value, timestamp_ms, headers);
    } else {
      scratch.set(key, 0);
      this.#append(sink, scratch, 0, key.length, value, timestamp_ms, headers);
    }
  }

  emitWithInputKey(
    sink: number,
    input: InputRecord,
    value: string | Uint8Array | null,
    timestamp_ms: number,
    headers?: readonly string[],
  ): void {
    this.#append(sink, input.bytes, input.keyStart, input.keyEnd, value, timestamp_ms, headers);
  }

  undoInput(): void {
    for (const queue of this.#queues) queue.undoInput();
    this.made -= this.#madeByInput;
    this.#madeByInput = 0;
  }

  /** The input at `position` has been applied whole. */
  endInput(position: number): void {
    this.#madeByInput = 0;
    const queues = this.#queues;
    for (let index = 0; index < queues.length; index++) (queues[index] as OutputQueue).endInput(position as never);
  }

  #append(
    sink: number,
    key: Buffer,
    keyStart: number,
    keyEnd: number,
    value: string | Uint8Array | null,
    timestamp_ms: number,
    headers: readonly string[] | undefined,
  ): void {
    const route = this.#routes[sink];
    if (route === undefined) throw new RangeError(`no sink has number ${String(sink)}`);
    const { partitions } = route;
    const partition =
      partitions === 1
        ? 0
        : keyEnd === -1
          ? this.#inputPartition % partitions
          : partitionOf(key, keyStart, keyEnd, partitions);
    route.queue.append(route.sink, partition, timestamp_ms, key, keyStart, keyEnd, value, headers);
    this.made++;
    this.#madeByInput++;
  }
}

// Reads the totals as any consumer would (committed records only), says once a second how many there are, and checks
// that each customer's count goes up by one: node scripts/run.mjs apps/orders/watch.ts
import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';

const report_ms = 1000;

/** What a consumer of the totals can tell: what is missing, what came twice, and how long nothing came. */
class Observed {
  totals = 0;
  missing = 0;
  again = 0;
  longestGap_ms = 0;
  readonly #counts = new Map<string, number>();
  #last_ms: number | undefined;

  take(customer: string, count: number): void {
    const before = this.#counts.get(customer) ?? 0;
    if (count > before + 1) this.missing += count - before - 1;
    if (count <= before) this.again++;
    this.#counts.set(customer, Math.max(before, count));
    this.totals++;
  }

  noteArrival(at_ms: number): void {
    this.longestGap_ms = Math.max(this.longestGap_ms, at_ms - (this.#last_ms ?? at_ms));
    this.#last_ms = at_ms;
  }

  /** The longest gap is that since the last line. */
  line(): string {
    const gap = this.longestGap_ms.toFixed(0);
    this.longestGap_ms = 0;
    return `${this.totals.toString()} totals, missing ${this.missing.toString()}, twice ${this.again.toString()}, longest gap ${gap} ms`;
  }
}

async function main(): Promise<void> {
  const brokers = (process.env['TANDEM_KAFKA'] ?? '127.0.0.1:9092').split(',');
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `watch-${randomUUID()}`, readUncommitted: false, maxWaitTimeInMs: 100 });
  const observed = new Observed();
  await consumer.connect();
  await consumer.subscribe({ topic: 'order-totals', fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: ({ batch }) => {
      observed.noteArrival(performance.now());
      for (const { key, value } of batch.messages) {
        const { count } = JSON.parse(value?.toString() ?? '') as { count: number };
        observed.take(key?.toString() ?? '', count);
      }
      return Promise.resolve();
    },
  });
  const timer = setInterval(() => {
    process.stdout.write(`${observed.line()}\n`);
  }, report_ms);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      clearInterval(timer);
      void consumer.disconnect();
    });
  }
}

main().catch((thrown: unknown) => {
  process.stderr.write(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = 1;
});

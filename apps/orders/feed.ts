// Sends orders of many customers to the topic `orders` until Ctrl-C: node scripts/run.mjs apps/orders/feed.ts [rate]
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';

const customers = 100;
const amountLimit_cents = 20_000;
/** One in so many is no order at all: it goes to the dead letters. */
const poisonEvery = 1000;
const pause_ms = 10;

async function main(): Promise<void> {
  const rate_per_s = Number(process.argv[2] ?? '1000');
  if (!Number.isInteger(rate_per_s) || rate_per_s < 1 || rate_per_s > 100_000) {
    process.stderr.write('the rate must be a whole number from 1 to 100000 orders per second\n');
    process.exitCode = 2;
    return;
  }
  const brokers = (process.env['TANDEM_KAFKA'] ?? '127.0.0.1:9092').split(',');
  const producer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).producer({ idempotent: true });
  await producer.connect();
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      stop.abort();
    });
  }
  process.stdout.write(`sending ${rate_per_s.toString()} orders a second to the topic orders; Ctrl-C ends it\n`);
  const start_ms = performance.now();
  let sent = 0;
  while (!stop.signal.aborted) {
    const due = Math.floor(((performance.now() - start_ms) * rate_per_s) / 1000) - sent;
    const messages = Array.from({ length: due }, (_, index) => order(sent + index));
    if (due > 0) await producer.send({ topic: 'orders', acks: -1, messages });
    sent += due;
    await sleep(pause_ms);
  }
  await producer.disconnect();
  process.stdout.write(`${sent.toString()} orders sent\n`);
}

function order(n: number): { readonly key: string; readonly value: string } {
  const customer = `customer-${Math.floor(Math.random() * customers).toString()}`;
  const amount = 1 + Math.floor(Math.random() * amountLimit_cents);
  const value = n % poisonEvery === poisonEvery - 1 ? 'no order' : JSON.stringify({ customer, amount, ts: Date.now() });
  return { key: customer, value };
}

main().catch((thrown: unknown) => {
  process.stderr.write(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exitCode = 1;
});

// What the demo sends: an ever-increasing counter, and orders of many customers, a few of which cannot be read.
import { pace, type LogAppender, type Logs, type Paced } from '@tandem/harness';
import { partitions } from './logs.ts';

const counterKeys = 8;
const customers = 500;
/** One in so many orders is no order at all. */
const poisonEvery = 500;
const amountLimit_cents = 20_000;

export class Inputs {
  readonly #numbers: LogAppender;
  readonly #orders: LogAppender;
  readonly #producer: Paced;
  #next: number;
  #sent = 0;

  private constructor(numbers: LogAppender, orders: LogAppender, next: number, rate_per_s: number) {
    this.#numbers = numbers;
    this.#orders = orders;
    this.#next = next;
    // Both logs get as much.
    this.#producer = pace(rate_per_s / 2, async (count) => {
      for (let due = 0; due < count; due++) this.#add();
      await Promise.all([numbers.flush(), orders.flush()]);
      this.#sent += 2 * count;
    });
  }

  /** `from`: how many numbers have been sent by earlier runs. */
  static async start(logs: Logs, from: number, rate_per_s: number): Promise<Inputs> {
    const numbers = await logs.writer('numbers', partitions);
    const orders = await logs.writer('orders', partitions);
    return new Inputs(numbers, orders, from, rate_per_s);
  }

  /** By this run, of both kinds. */
  get sent(): number {
    return this.#sent;
  }

  /** Resolves when sending has ended, with what went wrong if it was not asked to. */
  get done(): Promise<Error | undefined> {
    return this.#producer.done;
  }

  async stop(): Promise<Error | undefined> {
    const failure = await this.#producer.stop();
    await Promise.all([this.#numbers.close(), this.#orders.close()]);
    return failure;
  }

  #add(): void {
    const n = this.#next++;
    const ts = Date.now();
    this.#numbers.add(`c${(n % counterKeys).toString()}`, JSON.stringify({ n }), { timestamp_ms: ts });
    const customer = `customer-${Math.floor(Math.random() * customers).toString()}`;
    // Some amounts are zero or below: such orders do not count.
    const amount = Math.floor(Math.random() * amountLimit_cents) - amountLimit_cents / 50;
    const order =
      n % poisonEvery === poisonEvery - 1
        ? `no order, but number ${n.toString()}`
        : JSON.stringify({ customer, amount, ts });
    this.#orders.add(customer, order, { timestamp_ms: ts });
  }
}

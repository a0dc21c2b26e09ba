// Reads inputs and outputs as anybody could and compares what is there with what must be.
import { compare, type Due, type Logs, type Verdict } from '@tandem/harness';
import { partitions } from './logs.ts';
import { CounterReference, OrdersReference, textOf, type OutputLog } from './reference.ts';

export interface Expected {
  readonly inputs: number;
  /** By output log, then partition. */
  readonly due: Readonly<Record<OutputLog, readonly (readonly Due[])[]>>;
  readonly outputs: number;
}

export async function computeExpected(logs: Logs): Promise<Expected> {
  const counters: CounterReference[] = [];
  const orders: OrdersReference[] = [];
  let inputs = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const counter = new CounterReference();
    const order = new OrdersReference();
    counters.push(counter);
    orders.push(order);
    for await (const page of logs.read('numbers', partition)) {
      for (const record of page) counter.take(record);
      inputs += page.length;
    }
    for await (const page of logs.read('orders', partition)) {
      for (const record of page) order.take(record);
      inputs += page.length;
    }
  }
  const due = {
    counts: counters.map(({ counts }) => counts),
    totals: orders.map(({ totals }) => totals),
    'per-minute': orders.map(({ perMinute }) => perMinute),
    'dead-letter': orders.map(({ deadLetters }) => deadLetters),
  };
  const outputs = Object.values(due)
    .flat()
    .reduce((sum, list) => sum + list.length, 0);
  return { inputs, due, outputs };
}

export async function checkOutputs(logs: Logs, { due }: Expected): Promise<Verdict & { readonly outputs: number }> {
  const total = { lost: 0, duplicated: 0, reordered: 0, outputs: 0 };
  for (const log of Object.keys(due) as OutputLog[]) {
    for (let partition = 0; partition < partitions; partition++) {
      const found: string[] = [];
      for await (const page of logs.read(log, partition)) for (const record of page) found.push(textOf(log, record));
      const verdict = compare(due[log][partition] ?? [], found);
      total.lost += verdict.lost;
      total.duplicated += verdict.duplicated;
      total.reordered += verdict.reordered;
      total.outputs += found.length;
    }
  }
  return total;
}

/** Committed ends of these logs, all together; on Kafka the markers of transactions count too. */
export async function countRecords(logs: Logs, names: readonly string[]): Promise<number> {
  let count = 0;
  // One after the other: a connection to PostgreSQL takes one query at a time.
  for (const name of names) for (const end of await logs.ends(name, partitions)) count += end;
  return count;
}

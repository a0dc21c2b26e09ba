// Reads inputs and outputs from their tables and compares what is there with what must be.
import { readLog } from '@tandem/harness';
import pg from 'pg';
import { partitions } from './logs.ts';
import {
  compare,
  CounterReference,
  OrdersReference,
  textOf,
  type Due,
  type OutputLog,
  type Verdict,
} from './reference.ts';

export interface Expected {
  readonly inputs: number;
  /** By output log, then partition. */
  readonly due: Readonly<Record<OutputLog, readonly (readonly Due[])[]>>;
  readonly outputs: number;
}

export async function computeExpected(client: pg.Client): Promise<Expected> {
  const counters: CounterReference[] = [];
  const orders: OrdersReference[] = [];
  let inputs = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const counter = new CounterReference();
    const order = new OrdersReference();
    counters.push(counter);
    orders.push(order);
    for await (const page of readLog(client, 'numbers', partition)) {
      for (const record of page) counter.take(record);
      inputs += page.length;
    }
    for await (const page of readLog(client, 'orders', partition)) {
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

export async function checkOutputs(
  client: pg.Client,
  { due }: Expected,
): Promise<Verdict & { readonly outputs: number }> {
  const total = { lost: 0, duplicated: 0, reordered: 0, outputs: 0 };
  for (const log of Object.keys(due) as OutputLog[]) {
    for (let partition = 0; partition < partitions; partition++) {
      const found: string[] = [];
      for await (const page of readLog(client, log, partition))
        for (const record of page) found.push(textOf(log, record));
      const verdict = compare(due[log][partition] ?? [], found);
      total.lost += verdict.lost;
      total.duplicated += verdict.duplicated;
      total.reordered += verdict.reordered;
      total.outputs += found.length;
    }
  }
  return total;
}

/** Records ever appended to these logs; 0 for those that do not exist yet. */
export async function countRecords(client: pg.Client, logs: readonly string[]): Promise<number> {
  const { rows } = await client.query<{ exists: boolean }>("SELECT to_regclass('tandem.head') IS NOT NULL AS exists");
  if (rows[0]?.exists !== true) return 0;
  const counted = await client.query<{ count: string | null }>(
    'SELECT sum(next) AS count FROM tandem.head WHERE log = ANY($1)',
    [logs],
  );
  return Number(counted.rows[0]?.count ?? 0);
}

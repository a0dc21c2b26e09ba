// What stands in a pair's znodes: JSON that people can read with zkCli, and the epoch as plain decimal text.
import { asEpoch, type Epoch, type Member } from '@tandem/pair';
import { TandemError, type AppRecord } from '@tandem/ports';
import { z } from 'zod';

const memberSchema = z.object({ node: z.string(), incarnation: z.string(), address: z.string() });
const activeSchema = memberSchema.extend({ epoch: z.int().min(1) });

const recordSchema = z.object({
  lanes: z.int().min(1),
  appVersion: z.int().min(1),
  topologyHash: z.string(),
  genesis: z.record(z.string(), z.string()),
  initialised: z.array(z.string()),
});

export type ActiveEntry = z.infer<typeof activeSchema>;

export function memberText({ node, incarnation, address }: Member): string {
  return JSON.stringify({ node, incarnation, address });
}

export function activeText({ node, incarnation, address }: Member, epoch: Epoch): string {
  return JSON.stringify({ node, incarnation, address, epoch });
}

/** Undefined for what is none: somebody else's hand was here, and the next writer mends it. */
export function readMember(text: string): Member | undefined {
  return memberSchema.safeParse(parsed(text)).data;
}

export function readActive(text: string): ActiveEntry | undefined {
  return activeSchema.safeParse(parsed(text)).data;
}

/** 0 stands for none: the znode is there before the first claim. */
export const epochText = (epoch: Epoch | undefined): string => String(epoch ?? 0);

/** @throws TandemError `epoch-unreadable` */
export function readEpoch(path: string, text: string): Epoch | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) {
    throw new TandemError(
      'epoch-unreadable',
      `${path} in ZooKeeper holds no epoch but '${text.slice(0, 40)}'. Restore it.`,
    );
  }
  return value === 0 ? undefined : asEpoch(value);
}

/** @throws TandemError `app-record-unreadable` */
export function readRecord(path: string, text: string): AppRecord {
  const found = recordSchema.safeParse(parsed(text));
  if (found.success) return found.data;
  const why = z.prettifyError(found.error);
  throw new TandemError('app-record-unreadable', `the record ${path} in ZooKeeper is not one of this version: ${why}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// What the two ends of the link say to each other, as JSON text, and the checks on what arrives.
import { z } from 'zod';

/** Close codes of our own (4000-4999 are free for applications). */
export const linkClosed = { refused: 4001, badMessage: 4002, silent: 4003, goingAway: 4004 } as const;

/** Larger messages end the connection: positions of some thousand tasks fit well. */
export const linkMessageLimit_bytes = 1024 * 1024;

/** Some 200 bytes each. */
export const digestsPerMessage = 1_000;

const position = z.string().regex(/^\d{1,16}$/);

const appCode = z.object({
  version: z.number().int(),
  topologyHash: z.string(),
  bundleHash: z.string(),
  lanes: z.number().int(),
});

const digest = z.object({
  task: z.string().max(512),
  position,
  state: z.string().regex(/^[0-9a-f]{16}$/),
  outputs: z.string().regex(/^([0-9a-f]{8}){0,32}$/),
  since: position,
});

const message = z.discriminatedUnion('type', [
  /** First, in both directions. `epoch`: what the sender believes to be current. */
  z.object({
    type: z.literal('hello'),
    pair: z.string(),
    node: z.string(),
    incarnation: z.string(),
    epoch: z.number().int().nullable(),
    apps: z.record(z.string(), appCode),
  }),
  /** The active will not have this peer; `reason` is for people. `final`: asking again cannot help. */
  z.object({ type: z.literal('refused'), reason: z.string(), final: z.boolean() }),
  /** Durable published positions that moved on the active; `since_ms`: wall time at which it had published the first of them. */
  z.object({
    type: z.literal('published'),
    app: z.string(),
    publisher: z.string(),
    positions: z.record(z.string(), position),
    since_ms: z.number().optional(),
  }),
  /** Of the active's tasks, oldest first within each: new ones, or those kept for a passive that has just linked. */
  z.object({ type: z.literal('digests'), app: z.string(), digests: z.array(digest).max(digestsPerMessage) }),
  /** The passive's apps that could take over now. */
  z.object({ type: z.literal('status'), inSyncApps: z.array(z.string()) }),
  /** The active invites the passive to claim the next epoch. */
  z.object({ type: z.literal('invite'), epoch: z.number().int(), limit_ms: z.number().int().positive() }),
  /** Something is heard from a live peer at least every ping interval. */
  z.object({ type: z.literal('ping') }),
]);

export type LinkMessage = z.infer<typeof message>;
export type Refusal = Omit<Extract<LinkMessage, { type: 'refused' }>, 'type'>;
export type Hello = Extract<LinkMessage, { type: 'hello' }>;
export type AppCode = z.infer<typeof appCode>;

/** Undefined: not a message of ours. */
export function parseLinkMessage(text: string): LinkMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = message.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

/** Why two nodes may not form a pair, for people; undefined when they may. */
export function codeDifference(
  ours: Readonly<Record<string, AppCode>>,
  theirs: Readonly<Record<string, AppCode>>,
): string | undefined {
  for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const mine = ours[name];
    const other = theirs[name];
    if (mine === undefined || other === undefined) {
      return `app '${name}' runs on one node only; give both nodes the same list of apps`;
    }
    if (mine.lanes !== other.lanes) {
      return `app '${name}' has ${mine.lanes} lanes on the active and ${other.lanes} here; stop both nodes to change the number of lanes`;
    }
    if (mine.version !== other.version || mine.bundleHash !== other.bundleHash) {
      return `the code of app '${name}' differs from the active's (version ${mine.version} there, ${other.version} here); deploy the same build to both nodes, or stop both to change it`;
    }
  }
  return undefined;
}

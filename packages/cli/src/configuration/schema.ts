// What a configuration file may say: one schema, made of the parts below and of the adapters' own.
import { duration, size } from '@tandem/ports/configuration';
import type { StartFrom } from '@tandem/ports';
import * as z from 'zod';
import type { Adapter } from '../adapters.ts';

/** An adapter named in the file, with its part of the configuration as its own schema left it. */
export interface Choice {
  readonly adapter: string;
  readonly options: unknown;
}

export interface SourceChoice extends Choice {
  readonly startFrom: StartFrom;
}

const name = (what: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be 1 to 63 letters, digits, dots, dashes or underscores')
    .describe(what);

const whole = (least: number, most: number) => z.number().int().min(least).max(most);

/** More often it would take more time than the inputs. */
const leastDigest_inputs = 100;

const listen = z
  .string()
  .transform((text, context): { host: string; port: number } => {
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/]+)):(\d{1,5})$/.exec(text.trim());
    const port = Number(match?.[3]);
    if (match === null || port > 65_535) {
      context.addIssue({ code: 'custom', message: `'${text}' is not an address. Write it like 127.0.0.1:7070` });
      return z.NEVER;
    }
    return { host: match[1] ?? match[2] ?? '', port };
  })
  .prefault('127.0.0.1:7070')
  .describe('Address and port for the admin interface and the link between the nodes. Port 0 takes a free one.');

const startFrom = z
  .string()
  .transform((text, context): StartFrom => {
    if (text === 'earliest' || text === 'latest') return text;
    const isTime = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text);
    const time_ms = isTime ? Date.parse(text) : NaN;
    if (Number.isNaN(time_ms)) {
      const message = `'${text}' is not understood. Write earliest, latest or a time like 2026-01-31T12:00:00Z`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
    return { time_ms };
  })
  .meta({ bounds: 'earliest, latest or an ISO 8601 time' })
  .prefault('earliest')
  .describe('Where the application begins the very first time it runs. Later starts go on from where it was.');

/** Exactly one adapter's key, with that adapter's schema; `rest` are keys beside it. */
function choice<Rest extends z.core.$ZodLooseShape>(
  adapters: readonly Adapter[],
  schemaOf: (adapter: Adapter) => z.ZodType | undefined,
  rest: Rest,
) {
  const shape: Record<string, z.ZodType> = {};
  for (const adapter of adapters) {
    const schema = schemaOf(adapter);
    if (schema !== undefined) shape[adapter.name] = schema.optional();
  }
  const names = Object.keys(shape);
  return z.strictObject({ ...shape, ...rest }).transform((value: Record<string, unknown>, context) => {
    const chosen = names.filter((one) => value[one] !== undefined);
    const [adapter] = chosen;
    if (adapter === undefined || chosen.length > 1) {
      const found = chosen.length === 0 ? 'names no system' : `names ${chosen.join(' and ')}`;
      context.addIssue({ code: 'custom', message: `${found}. Name exactly one of: ${names.join(', ')}` });
      return z.NEVER;
    }
    return { adapter, options: value[adapter], startFrom: value['startFrom'] };
  });
}

function sourceChoice(adapters: readonly Adapter[]) {
  return choice(adapters, (adapter) => adapter.source, { startFrom }) as unknown as z.ZodType<SourceChoice>;
}

function sinkChoice(adapters: readonly Adapter[]) {
  return choice(adapters, (adapter) => adapter.sink, {}) as unknown as z.ZodType<Choice>;
}

function appSchema(adapters: readonly Adapter[]) {
  return z
    .strictObject({
      module: z.string().min(1).describe("The application's module, relative to this file."),
      export: z
        .string()
        .min(1)
        .optional()
        .describe('Name under which the module exports the application. Not needed where it exports only one.'),
      lanes: whole(1, 64)
        .default(1)
        .describe('Worker threads that share its partitions. The same on both nodes; fixed once it has run.'),
      queue: z
        .strictObject({
          limit: size({ least_bytes: 1024 ** 2, most_bytes: 16 * 1024 ** 3 })
            .prefault('64MiB')
            .describe(
              'Outputs kept in memory until they are published. A full queue pauses the input; nothing is dropped.',
            ),
        })
        .prefault({})
        .describe('Outputs that wait to be published.'),
      publish: z
        .strictObject({
          maxOutputs: whole(1, 1_000_000).default(20_000).describe('Most outputs in one transaction.'),
          maxBytes: size({ least_bytes: 1024, most_bytes: 64 * 1024 ** 2 })
            .prefault('4MiB')
            .describe('Most bytes in one transaction. The outputs of one input are never split.'),
        })
        .prefault({})
        .describe('How outputs are grouped into transactions.'),
      inSyncLag: whole(1, 100_000_000)
        .default(10_000)
        .describe('In sync while no task is more inputs than this behind the end of its source. It holds up nothing.'),
      sources: z
        .record(z.string().min(1), sourceChoice(adapters))
        .describe("Where each of the application's sources is read from, by the name that the application gives it."),
      sinks: z
        .record(z.string().min(1), sinkChoice(adapters))
        .describe("Where each of the application's sinks is written to, by the name that the application gives it."),
    })
    .describe('An application and what it is connected to.');
}

function sections(adapters: readonly Adapter[]) {
  return {
    pair: name('Name of the pair. Both nodes use the same; it separates pairs that share a database.'),
    node: z
      .strictObject({
        id: name('Name of this node inside its pair. Another one on each node.'),
        listen,
        advertise: z
          .url({ protocol: /^https?$/, error: 'must be a URL like http://host:7070' })
          .optional()
          .describe(
            'URL under which the other node and people reach this one. Needed where it listens on all addresses.',
          ),
        token: z
          .string()
          .min(16)
          .optional()
          .describe(
            'Secret that every request must carry, at least 16 characters. Needed unless it listens on loopback only. The same on both nodes.',
          ),
      })
      .describe('This node. The only section that differs between the two nodes.'),
    coordinator: (
      choice(adapters, (adapter) => adapter.coordinator?.schema, {}) as unknown as z.ZodType<Choice>
    ).describe('Decides which node is active.'),
    store: (choice(adapters, (adapter) => adapter.store?.schema, {}) as unknown as z.ZodType<Choice>).describe(
      'Keeps the snapshots from which a node starts again.',
    ),
    stateSync: z
      .strictObject({
        live: z
          .boolean()
          .default(true)
          .describe(
            'Take state from the other node while it runs (true) or from the newest revision in the store (false).',
          ),
        retry: duration({ least_ms: 1000, most_ms: 3_600_000 })
          .prefault('60s')
          .describe(
            'How long to wait before an application that could get no state is tried again, once some quick tries were in vain.',
          ),
        grace: duration({ least_ms: 1000, most_ms: 86_400_000 })
          .prefault('120s')
          .describe(
            'How long after it got its state an application of a passive node must have been found equal to that of the active one. One that has not been by then, and not after as long again, gets its state anew.',
          ),
      })
      .prefault({})
      .describe('How a node gets its state when it joins.'),
    digest: z
      .strictObject({
        every: whole(0, 1_000_000_000)
          .refine((every) => every === 0 || every >= leastDigest_inputs, {
            message: `must be 0, or at least ${String(leastDigest_inputs)}`,
          })
          .meta({ bounds: `0, or ${String(leastDigest_inputs)} to 1000000000` })
          .default(8192)
          .describe(
            'Both nodes take a digest of state and outputs at every multiple of this position of a partition, and the passive one compares. 0 switches it off. The same on both nodes.',
          ),
        interval: duration({ least_ms: 100, most_ms: 3_600_000 })
          .prefault('5s')
          .describe('A digest is also taken at the end of a partition in which nothing has come for this long.'),
      })
      .prefault({})
      .describe('How the nodes find out whether they still have the same state.'),
    outputSync: z
      .strictObject({
        interval: duration({ least_ms: 50, most_ms: 60_000 })
          .prefault('1s')
          .describe('How often a passive node asks for published positions while the link is away.'),
      })
      .prefault({})
      .describe('How the passive node learns what has been published.'),
    persistence: z
      .strictObject({
        interval: duration({ least_ms: 1000, most_ms: 86_400_000 })
          .prefault('30s')
          .describe(
            'How often the active node stores a revision. After a restart no more than this is processed again.',
          ),
        keep: whole(1, 1000).default(3).describe('Newest revisions to keep.'),
      })
      .prefault({})
      .describe('Snapshots in the store.'),
    link: z
      .strictObject({
        ping: duration({ least_ms: 10, most_ms: 10_000 })
          .optional()
          .describe(
            "How often the linked nodes show that they are alive. Less than a third of the coordinator's session time-out; if not given a quarter of it, at most 250ms.",
          ),
      })
      .prefault({})
      .describe('The connection between the two nodes.'),
    switchover: z
      .strictObject({
        limit: duration({ least_ms: 500, most_ms: 300_000 })
          .prefault('5s')
          .describe('How long the other node has to take over when it is asked to.'),
      })
      .prefault({})
      .describe('Handing over on request.'),
    lane: z
      .strictObject({
        answerLimit: duration({ least_ms: 500, most_ms: 300_000 })
          .prefault('10s')
          .describe(
            'An application that keeps its thread busy for this long without a pause is failed and started again.',
          ),
        restartBackoff: duration({ least_ms: 100, most_ms: 300_000 })
          .prefault('1s')
          .describe('Wait before a failed application is started again; doubled each time.'),
        maxRestarts: whole(0, 100)
          .default(3)
          .describe('Restarts before it is left failed; none where a restart would come to the same end.'),
        heapLimit: size({ least_bytes: 32 * 1024 ** 2, most_bytes: 256 * 1024 ** 3 })
          .optional()
          .describe(
            'Heap of each lane; an application that needs more is failed and started again. Without it: what Node.js gives a thread, 2 to 4 GiB on most machines.',
          ),
      })
      .prefault({})
      .describe('The worker threads that the applications run in.'),
    logging: z
      .strictObject({
        level: z
          .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
          .default('info')
          .describe('Least important messages to log.'),
      })
      .prefault({})
      .describe('Logs, as one JSON object per line on standard output.'),
    apps: z.array(appSchema(adapters)).min(1).max(100).describe('The applications that this pair runs.'),
  };
}

type Sections = z.ZodObject<ReturnType<typeof sections>, z.core.$strict>;

/** The parts that every configuration has, and under `systems` what each external system needs. */
export type CheckedSections = z.output<Sections> & Readonly<Record<string, unknown>>;

/** Each adapter's system is a section of its own, optional until something uses it. */
export function configurationSchema(adapters: readonly Adapter[]): z.ZodType<CheckedSections> {
  const { pair, node, ...rest } = sections(adapters);
  const systems = Object.fromEntries(
    adapters.flatMap(({ name, system }) => (system === undefined ? [] : [[name, system.optional()] as const])),
  );
  return z.strictObject({ pair, node, ...systems, ...rest });
}

// What is around the nodes of a failover test: everything in PostgreSQL, or logs in Kafka and the coordinator in ZooKeeper.
import { randomBytes } from 'node:crypto';
import { sharedTestServer } from '@tandem/embedded';
import { KafkaLogs, PostgresLogs, type Logs } from '@tandem/harness';
import { describeWithStack, sharedTestKafka, sharedTestZooKeeper } from '@tandem/stack';
import pg from 'pg';
import { Znodes } from './znodes.ts';

const pairName = 'failover';

export type StackName = 'postgres' | 'kafka';

/** Who is active, as the coordinator itself keeps it. */
export interface Holder {
  readonly epoch: number;
  readonly node: string | undefined;
}

/** As ZooKeeper has it. */
interface ActiveEntry {
  readonly node: string;
  readonly epoch: number;
}

export interface Surroundings {
  /** Name of the pair: what it has on a shared server is found by it. */
  readonly pair: string;
  /** Of the database, which keeps the snapshots on every stack. */
  readonly url: string;
  readonly logs: Logs;
  readonly zookeeper: string | undefined;
  holder(): Promise<Holder>;
  /** The epochs that the fences of publishers hold, where somebody else can look at them. */
  fences(): Promise<readonly number[] | undefined>;
  close(): Promise<void>;
}

/** The same tests on each. */
export function onEachStack(tests: (stack: StackName) => void): void {
  describe('on PostgreSQL', () => {
    tests('postgres');
  });
  describeWithStack(
    'on Kafka and ZooKeeper',
    () => {
      tests('kafka');
    },
    ['kafka', 'zookeeper'],
  );
}

/** @throws where logs are not in Kafka */
export function topicOf({ logs }: { readonly logs: Logs }, log: string): string {
  if (!(logs instanceof KafkaLogs)) throw new Error(`log ${log} is not in Kafka`);
  return logs.topic(log);
}

/** Servers of a test's own, which it may do with as it likes. */
export interface OwnServers {
  readonly bootstrap: string;
  readonly zookeeper: string;
  /** Of topics that the test makes; default: as the brokers have it. */
  readonly replication?: number;
}

/** `url`: of the database; default a fresh one of the shared server. `servers`: default the shared ones. */
export async function surround(stack: StackName, url?: string, servers?: OwnServers): Promise<Surroundings> {
  const database = url === undefined ? await (await sharedTestServer()).createDatabase() : undefined;
  const databaseUrl = url ?? database?.url ?? '';
  const drop = async (): Promise<void> => {
    await database?.drop();
  };
  return stack === 'postgres' ? inDatabase(databaseUrl, drop) : await inKafka(databaseUrl, drop, servers);
}

function inDatabase(url: string, drop: () => Promise<void>): Surroundings {
  const logs = new PostgresLogs(url);
  const ask = async <Row extends pg.QueryResultRow>(text: string): Promise<readonly Row[]> => {
    const client = new pg.Client({ connectionString: url, application_name: 'failover test' });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    pair: pairName,
    url,
    logs,
    zookeeper: undefined,
    holder: async () => {
      const [row] = await ask<{ epoch: string; node: string | null }>(
        `SELECT p.epoch, m.node FROM tandem.pair p LEFT JOIN tandem.member m
         ON m.pair = p.pair AND m.incarnation = p.active_incarnation WHERE p.pair = '${pairName}'`,
      );
      return { epoch: Number(row?.epoch ?? 0), node: row?.node ?? undefined };
    },
    fences: async () => {
      const rows = await ask<{ epoch: string }>('SELECT DISTINCT epoch FROM tandem.fence');
      return rows.map(({ epoch }) => Number(epoch));
    },
    close: async () => {
      await logs.close();
      await drop();
    },
  };
}

async function inKafka(url: string, drop: () => Promise<void>, servers: OwnServers | undefined): Promise<Surroundings> {
  const run = `${pairName}-${randomBytes(4).toString('hex')}`;
  const { bootstrap, replication } = servers ?? { ...(await sharedTestKafka()), replication: undefined };
  const address = servers?.zookeeper ?? (await sharedTestZooKeeper()).address;
  const logs = new KafkaLogs({ bootstrap, prefix: `${run}-`, ...(replication !== undefined && { replication }) });
  const znodes = new Znodes(address);
  const folder = `/${run}/tandem/${run}`;
  const holder = async (): Promise<Holder> => {
    const [epochText, activeText] = await Promise.all(
      ['epoch', 'active'].map((znode) => znodes.read(`${folder}/${znode}`)),
    );
    const epoch = Number(epochText ?? 0);
    const active = activeText === undefined ? undefined : (JSON.parse(activeText) as ActiveEntry);
    // A claim came between the two.
    if (active !== undefined && active.epoch !== epoch) return await holder();
    return { epoch, node: active?.node };
  };
  return {
    // Transactional ids and topics of positions are made of it.
    pair: run,
    url,
    logs,
    zookeeper: `${address}/${run}`,
    holder,
    fences: () => Promise.resolve(undefined),
    close: async () => {
      await logs.close();
      await drop();
    },
  };
}

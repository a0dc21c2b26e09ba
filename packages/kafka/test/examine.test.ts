// What tandem doctor makes of what it finds on a cluster.
import type { DoctorFinding } from '@tandem/ports';
import {
  judgeKafka,
  type BrokerFacts,
  type KafkaFacts,
  type TopicFacts,
  type TopicUse,
} from '../src/examine-judgement.ts';

type Texts = Readonly<Record<string, string>>;

const day_ms = 86_400_000;

const safeBroker: Texts = {
  'transaction.max.timeout.ms': '900000',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
  'default.replication.factor': '3',
};
const safeTopic: Texts = {
  'cleanup.policy': 'delete',
  'retention.ms': String(7 * day_ms),
  'retention.bytes': '-1',
  'min.insync.replicas': '2',
  'unclean.leader.election.enable': 'false',
  'max.message.bytes': '1048588',
};

const positions = 'tandem.p.tally.positions';
const source: TopicUse = { as: 'source', topic: 'in', compacted: false, made: undefined };
const sink: TopicUse = { as: 'sink', topic: 'out', publishMaxBytes: 1 << 20, made: undefined };

function broker(settings: Texts = {}, unspoken: BrokerFacts['unspoken'] = []): BrokerFacts {
  return { address: 'k1:9092', settings: new Map(Object.entries({ ...safeBroker, ...settings })), unspoken };
}

function topic(settings: Texts = {}, replication = 3): TopicFacts {
  return { replication, settings: new Map(Object.entries({ ...safeTopic, ...settings })) };
}

function judge(more: Partial<KafkaFacts> = {}): readonly DoctorFinding[] {
  return judgeKafka({
    transactionTimeout_ms: 10_000,
    persistenceInterval_ms: 30_000,
    brokers: [broker()],
    transactionLog: topic({ 'cleanup.policy': 'compact' }),
    uses: [source, sink, { as: 'positions', topic: positions }],
    topics: new Map([
      ['in', topic()],
      ['out', topic()],
      [positions, topic({ 'cleanup.policy': 'compact' })],
    ]),
    ...more,
  });
}

/** As `level: what`. */
function told(more: Partial<KafkaFacts>): readonly string[] {
  return judge(more).map(({ level, what }) => `${level}: ${what}`);
}

/** The source alone, so configured. */
function asSource(settings: Texts, use: TopicUse = source): readonly string[] {
  return told({ uses: [use], topics: new Map([['in', topic(settings)]]) });
}

it('finds nothing where nothing would hurt', () => {
  expect(judge()).toEqual([]);
});

it('a broker that does not speak what is needed, or does not answer where it says it is', () => {
  const brokers = [broker({}, ['Fetch', 'Produce']), broker({}, { unreachable: 'connect ECONNREFUSED' })];
  expect(told({ brokers })).toEqual([
    'error: broker k1:9092 is too old or too new: it speaks no version of Fetch, Produce that Tandem does',
    'error: broker k1:9092 does not answer: connect ECONNREFUSED',
  ]);
});

it('the time-out of transactions must be one that every broker allows', () => {
  const brokers = [broker(), broker({ 'transaction.max.timeout.ms': '9999' })];
  expect(told({ brokers })).toEqual([
    'error: kafka.transactionTimeout is 10s, and the brokers allow 9999ms (transaction.max.timeout.ms)',
  ]);
  expect(told({ brokers, transactionTimeout_ms: 9999 })).toEqual([]);
});

describe('the log of transactions', () => {
  it('is judged by the topic where it is there', () => {
    const brokers = [broker({ 'transaction.state.log.replication.factor': '1' })];
    expect(told({ brokers })).toEqual([]);
    expect(told({ transactionLog: topic({}, 1) })).toEqual([
      'warning: the brokers keep one copy of their transactions (transaction.state.log.replication.factor 1)',
    ]);
  });

  it('is judged by the brokers until it is there', () => {
    const settings = { 'transaction.state.log.replication.factor': '1', 'transaction.state.log.min.isr': '1' };
    const [found, ...more] = judge({ brokers: [broker(settings)], transactionLog: undefined });
    expect(found).toMatchObject({ level: 'warning', todo: expect.stringContaining('before the first') as string });
    expect(more).toEqual([]);
  });

  it.each([
    ['1', 'one broker is enough to write a transaction down (transaction.state.log.min.isr 1)'],
    ['3', 'every copy of topic __transaction_state must be in sync to write (min.insync.replicas 3 of 3)'],
  ])('with %s replicas in sync of three', (inSync, what) => {
    expect(told({ transactionLog: topic({ 'min.insync.replicas': inSync }) })).toEqual([`warning: ${what}`]);
  });
});

describe('copies', () => {
  it('one copy is said once, of all topics that have one', () => {
    const topics = new Map([
      ['in', topic({ 'min.insync.replicas': '1' }, 1)],
      ['out', topic()],
      [positions, topic({ 'cleanup.policy': 'compact', 'min.insync.replicas': '1' }, 1)],
    ]);
    expect(told({ topics })).toEqual([`warning: topics 'in', '${positions}' have one copy (replication factor 1)`]);
  });

  it('a topic that is to be made counts as what it will be', () => {
    const uses = (made: { readonly replication?: number }): readonly TopicUse[] => [{ ...source, made }];
    const topics = new Map<string, TopicFacts>();
    const brokers = [broker({ 'default.replication.factor': '1' })];
    expect(told({ uses: uses({}), topics, brokers })).toEqual([
      "warning: topic 'in' has one copy (replication factor 1)",
    ]);
    expect(told({ uses: uses({ replication: 3 }), topics, brokers })).toEqual([]);
    expect(told({ uses: uses({}), topics })).toEqual([]);
  });

  it('a topic that is not there, and is not to be made', () => {
    expect(told({ uses: [source], topics: new Map() })).toEqual(["error: there is no topic 'in', which is a source"]);
  });

  it.each([
    ['1', "one broker is enough to take a record of topic 'in' (min.insync.replicas 1)"],
    ['3', "every copy of topic 'in' must be in sync to write (min.insync.replicas 3 of 3)"],
  ])('%s in sync of three', (inSync, what) => {
    expect(asSource({ 'min.insync.replicas': inSync })).toEqual([`warning: ${what}`]);
  });

  it('unclean elections lose what was confirmed', () => {
    expect(asSource({ 'unclean.leader.election.enable': 'true' })).toEqual([
      "warning: unclean.leader.election.enable is true for topic 'in'",
    ]);
  });
});

describe('retention of a source', () => {
  const what = (kept: string): string =>
    `source topic 'in' keeps records for ${kept} (retention.ms), and revisions are 30s apart`;

  it.each([
    ['300000', []],
    ['299999', [`warning: ${what('299999ms')}`]],
    ['60000', [`warning: ${what('1m')}`]],
    ['59999', [`error: ${what('59999ms')}`]],
    ['-1', []],
  ])('%s ms with revisions every 30 seconds', (retention, findings) => {
    expect(asSource({ 'retention.ms': retention })).toEqual(findings);
  });

  it('by size is worth a note', () => {
    expect(asSource({ 'retention.bytes': '1000' })).toEqual([
      "note: source topic 'in' keeps 1000 bytes per partition (retention.bytes)",
    ]);
  });

  it('does not matter to a sink', () => {
    expect(told({ uses: [sink], topics: new Map([['out', topic({ 'retention.ms': '1' })]]) })).toEqual([]);
  });
});

describe('compaction', () => {
  it('of a source is refused unless it is declared', () => {
    const settings = { 'cleanup.policy': 'compact', 'retention.ms': '1' };
    expect(asSource(settings)).toEqual(["error: source topic 'in' is compacted"]);
    expect(asSource(settings, { ...source, compacted: true })).toEqual([
      "note: source topic 'in' is compacted, and declared to be",
    ]);
  });

  it('is what published positions need', () => {
    const topics = new Map([[positions, topic({ 'cleanup.policy': 'compact,delete' })]]);
    expect(told({ uses: [{ as: 'positions', topic: positions }], topics })).toEqual([
      `error: topic '${positions}' keeps published positions, but its cleanup.policy is compact,delete`,
    ]);
  });
});

it('a sink that takes less at once than a transaction may hold is worth a note', () => {
  expect(told({ uses: [sink], topics: new Map([['out', topic({ 'max.message.bytes': '1000' })]]) })).toEqual([
    "note: sink topic 'out' takes at most 1000 bytes at once (max.message.bytes); a transaction may hold 1048576 (publish.maxBytes)",
  ]);
});

it('says what it may not see', () => {
  const hidden = { replication: 3, settings: new Map<string, string>() };
  const brokers = [{ address: 'k1:9092', settings: new Map<string, string>(), unspoken: [] }];
  expect(told({ uses: [source], topics: new Map([['in', hidden]]), brokers })).toEqual([
    "note: this user may not see the settings of the brokers and topic 'in'",
  ]);
});

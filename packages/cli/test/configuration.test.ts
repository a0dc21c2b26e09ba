import { parse, goodConfiguration, mistakesIn } from './fixtures.ts';

const edited = (from: string | RegExp, to: string): string => {
  const text = goodConfiguration.replace(from, () => to);
  if (text === goodConfiguration) throw new Error('the edit changed nothing');
  return text;
};

test('a short configuration gets every default of the design', () => {
  const configuration = parse(goodConfiguration);
  expect(configuration).toMatchObject({
    pair: 'orders',
    node: { id: 'a', listen: { host: '127.0.0.1', port: 7070 }, advertise: undefined, token: undefined },
    coordinator: { adapter: 'postgres', options: { sessionTimeout: 1000 } },
    store: { adapter: 'postgres' },
    stateSync: { live: true, retry_ms: 60_000, grace_ms: 120_000 },
    digest: { every_inputs: 8192, interval_ms: 5_000 },
    outputSync: { interval_ms: 1000 },
    persistence: { interval_ms: 30_000, keep: 3 },
    link: { ping_ms: 250 },
    switchover: { limit_ms: 5000 },
    lane: { maxRestarts: 3 },
    logLevel: 'info',
  });
  expect(configuration.systems).toEqual({
    postgres: { url: 'postgres://me:open-sesame@127.0.0.1:5432/db', schema: 'tandem' },
  });
  expect(configuration.apps[0]).toMatchObject({
    module: `${process.cwd()}/app.ts`,
    exportName: undefined,
    lanes: 1,
    queueLimit_bytes: 64 * 1024 ** 2,
    publishMaxOutputs: 20_000,
    publishMaxBytes: 4 * 1024 ** 2,
    sources: { orders: { adapter: 'postgres', options: { log: 'orders' }, startFrom: 'earliest' } },
    sinks: { totals: { adapter: 'postgres', options: { log: 'totals' } } },
  });
});

test('the heap of a lane has a limit only where one is set', () => {
  expect(parse(goodConfiguration).lane.heapLimit_bytes).toBeUndefined();
  expect(parse(`${goodConfiguration}\nlane: { heapLimit: 1.5GiB }`).lane.heapLimit_bytes).toBe(1.5 * 1024 ** 3);
  expect(mistakesIn(`${goodConfiguration}\nlane: { heapLimit: 8MiB }`).join()).toMatch(
    /lane\.heapLimit: must be between 32MiB/,
  );
});

test('digests can be switched off, but not be taken all the time, and the grace lets one be taken', () => {
  expect(parse(`${goodConfiguration}\ndigest: { every: 0 }`).digest.every_inputs).toBe(0);
  expect(mistakesIn(`${goodConfiguration}\ndigest: { every: 99 }`).join()).toMatch(
    /digest\.every: must be 0, or at least 100/,
  );
  const short = `${goodConfiguration}\nstateSync: { grace: 10s }\ndigest: { interval: 11s`;
  expect(mistakesIn(`${short} }`).join()).toMatch(/stateSync\.grace: 10s is shorter than digest\.interval \(11s\)/);
  expect(parse(`${short}, every: 0 }`).stateSync.grace_ms).toBe(10_000);
});

test('an ISO time is a place to start from', () => {
  const text = edited('{ log: orders } }', "{ log: orders }, startFrom: '2026-01-31T12:00:00Z' }");
  expect(parse(text).apps[0]?.sources['orders']?.startFrom).toEqual({ time_ms: Date.UTC(2026, 0, 31, 12) });
});

test('pings of a short session come more often, unless they are configured', () => {
  const short = goodConfiguration.replace('postgres: {}', 'postgres: { sessionTimeout: 500ms }');
  expect(parse(short).link).toEqual({ ping_ms: 125 });
  expect(parse(`${short}link: { ping: 50ms }\n`).link).toEqual({ ping_ms: 50 });
});

describe('environment', () => {
  test('references stand for values, in flow mappings, inside text and in quotes', () => {
    const text = edited(
      '{ id: a, listen: 127.0.0.1:7070 }',
      '{ id: ${ID}, listen: "${HOST}:${PORT}", token: x${SECRET}y }',
    );
    const { node } = parse(text, { ID: 'b', HOST: '127.0.0.1', PORT: '71', SECRET: ', } "#: \\ ${ID} 0123456789' });
    expect(node).toMatchObject({
      id: 'b',
      listen: { host: '127.0.0.1', port: 71 },
      token: 'x, } "#: \\ ${ID} 0123456789y',
    });
  });

  test('a default stands in for a variable that is unset or empty', () => {
    const text = edited('{ id: a,', '{ id: ${ID:-fallback},');
    expect(parse(text).node.id).toBe('fallback');
    expect(parse(text, { ID: '' }).node.id).toBe('fallback');
    expect(parse(text, { ID: 'c' }).node.id).toBe('c');
  });

  test('$${ stands for the characters themselves', () => {
    expect(parse(edited('listen: 127.0.0.1:7070', 'token: $${NOT_A_VARIABLE}')).node.token).toBe('${NOT_A_VARIABLE}');
  });

  test('a comment may hold anything', () => {
    expect(parse(`# \${MISSING} \${not understood}\n${goodConfiguration}`).pair).toBe('orders');
  });

  test('numbers and booleans may come from the environment, and text may look like a number', () => {
    const text = `${edited('{ id: a,', '{ id: 7,')}persistence: { keep: \${KEEP} }\nstateSync: { live: \${LIVE} }\n`;
    const configuration = parse(text, { KEEP: '5', LIVE: 'false' });
    expect(configuration.node.id).toBe('7');
    expect(configuration.persistence.keep).toBe(5);
    expect(configuration.stateSync.live).toBe(false);
  });

  test('a number from the environment stays text where text is wanted', () => {
    const text = edited('listen: 127.0.0.1:7070', 'token: ${TOKEN}');
    expect(parse(text, { TOKEN: '0012345678901234567890' }).node.token).toBe('0012345678901234567890');
  });
});

test('a section without keys may be written as an empty key', () => {
  expect(parse(edited('store: { postgres: {} }', 'store:\n  postgres:\nlink:')).store.adapter).toBe('postgres');
});

const cases: readonly (readonly [mistake: string, text: string, lines: readonly string[]])[] = [
  [
    'an empty file',
    '',
    ['tandem.yaml:1: must hold keys like pair, node and apps. Start from config/tandem.postgres.yaml'],
  ],
  [
    'YAML that cannot be read',
    edited('node: { id: a,', 'node: [ { id: a,'),
    [expect.stringMatching(/^tandem\.yaml:\d+: is not valid YAML: /)],
  ],
  [
    'a key that is there twice',
    `${goodConfiguration}pair: b\n`,
    ['tandem.yaml:12: is not valid YAML: Map keys must be unique'],
  ],
  [
    'a missing variable',
    edited('{ id: a,', '{ id: ${NODE_ID},'),
    ['tandem.yaml:2: node.id: environment variable NODE_ID is not set. Set it, or write ${NODE_ID:-default}'],
  ],
  [
    'a reference that is not understood',
    edited('{ id: a,', '{ id: ${NODE ID},'),
    [
      "tandem.yaml:2: node.id: '${NODE ID}' is not understood. Write ${NAME} or ${NAME:-default}, or $${ for the characters themselves",
    ],
  ],
  [
    'a misspelt key',
    edited('{ id: a,', '{ id: a, tokn: x,'),
    ["tandem.yaml:2: node.tokn: is not a known key. Did you mean 'token'?"],
  ],
  [
    'a misspelt section',
    `${goodConfiguration}persistance: { keep: 3 }\n`,
    ["tandem.yaml:12: persistance: is not a known key. Did you mean 'persistence'?"],
  ],
  [
    'an unknown adapter',
    edited('store: { postgres: {} }', 'store: { redis: {} }'),
    ['tandem.yaml:5: store.redis: is not a known key. Known: postgres, files'],
  ],
  [
    'no adapter',
    edited('store: { postgres: {} }', 'store: {}'),
    ['tandem.yaml:5: store: names no system. Name exactly one of: postgres, files'],
  ],
  [
    'a missing key',
    edited('{ id: a, listen: 127.0.0.1:7070 }', '{ listen: 127.0.0.1:7070 }'),
    ['tandem.yaml:2: node.id: is missing. Add it: Name of this node inside its pair'],
  ],
  ['no apps', edited(/apps:[^]*$/, 'apps: []\n'), ['tandem.yaml:6: apps: must have at least one entry']],
  [
    'a duration without a unit',
    `${goodConfiguration}persistence: { interval: 30 }\n`,
    ["tandem.yaml:12: persistence.interval: '30' has no unit; write it like 250ms or 30s (units: ms, s, m, h, d)"],
  ],
  [
    'a duration out of bounds',
    `${goodConfiguration}persistence: { interval: 2d }\n`,
    ['tandem.yaml:12: persistence.interval: must be between 1s and 1d'],
  ],
  [
    'a number out of bounds',
    `${goodConfiguration}persistence: { keep: 0 }\n`,
    ['tandem.yaml:12: persistence.keep: must be at least 1'],
  ],
  [
    'text for a number',
    `${goodConfiguration}persistence: { keep: many }\n`,
    ['tandem.yaml:12: persistence.keep: must be a number, not text'],
  ],
  [
    'a list for a section',
    `${goodConfiguration}link: [1]\n`,
    ['tandem.yaml:12: link: must be a section with keys of its own, not a list'],
  ],
  [
    'an unknown log level',
    `${goodConfiguration}logging: { level: wran }\n`,
    ["tandem.yaml:12: logging.level: must be one of: trace, debug, info, warn, error, silent. Did you mean 'warn'?"],
  ],
  [
    'an address without a port',
    edited('127.0.0.1:7070', '127.0.0.1'),
    ["tandem.yaml:2: node.listen: '127.0.0.1' is not an address. Write it like 127.0.0.1:7070"],
  ],
  [
    'a place to start from that is none',
    edited('{ log: orders } }', '{ log: orders }, startFrom: yesterday }'),
    [
      "tandem.yaml:9: apps[0].sources.orders.startFrom: 'yesterday' is not understood. Write earliest, latest or a time like 2026-01-31T12:00:00Z",
    ],
  ],
  [
    'a system that nothing says how to reach',
    edited(/postgres: \{ url.*\n/, ''),
    ["tandem.yaml:3: coordinator: uses postgres, but nothing says how to reach it. Add a section 'postgres'"],
  ],
  [
    'an open door',
    edited('127.0.0.1:7070', '10.0.0.7:7070'),
    [
      'tandem.yaml:2: node.listen: 10.0.0.7 can be reached from other machines, so a token is needed. Set node.token to a secret of at least 16 characters, the same on both nodes',
    ],
  ],
  [
    'a token that is too short',
    edited('listen: 127.0.0.1:7070', 'token: letmein'),
    ['tandem.yaml:2: node.token: must have at least 16 characters'],
  ],
  [
    'an address that nobody can connect to',
    edited('listen: 127.0.0.1:7070', 'listen: 0.0.0.0:7070, token: 0123456789abcdef'),
    [
      'tandem.yaml:2: node.listen: 0.0.0.0 is no address that the other node could connect to. Set node.advertise to the URL of this node',
    ],
  ],
  [
    'a ping that is too slow for the session',
    `${goodConfiguration}link: { ping: 400ms }\n`,
    [
      "tandem.yaml:12: link.ping: 400ms is too long for a session time-out of 1s. Set it to 333ms or less, or raise the coordinator's sessionTimeout",
    ],
  ],
  [
    'a switchover that is shorter than the session',
    edited('coordinator: { postgres: {} }', 'coordinator: { postgres: { sessionTimeout: 10s } }'),
    ['tandem.yaml:1: switchover.limit: 5s is shorter than the session time-out of 10s. Set it to at least that'],
  ],
  [
    'several mistakes',
    edited('{ id: a,', '{ id: "",').replace('log: totals', 'lgo: totals'),
    [
      'tandem.yaml:2: node.id: must be 1 to 63 letters, digits, dots, dashes or underscores',
      "tandem.yaml:11: apps[0].sinks.totals.postgres.lgo: is not a known key. Did you mean 'log'?",
    ],
  ],
];

test.each(cases)('%s is refused', (_, text, lines) => {
  expect(mistakesIn(text)).toEqual(lines);
});

test('the secrets of a configuration are known, and are not in its errors', () => {
  expect(parse(edited('listen:', 'token: 0123456789abcdef, listen:')).secrets).toEqual(
    expect.arrayContaining(['open-sesame', '0123456789abcdef']),
  );
  const lines = mistakesIn(edited('postgres://me', 'mysql://me').replace('id: a', 'id: "open-sesame!"'));
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.join('\n')).not.toContain('open-sesame');
});

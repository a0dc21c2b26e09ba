// tandem doctor against a real pair on a real PostgreSQL: what it finds, and that it finds nothing where nothing is.
import { freePort, Site } from './site.ts';
import { eventually } from './process.ts';

jest.setTimeout(90_000);

let site: Site;

beforeAll(async () => {
  site = await Site.open();
});

afterEach(async () => {
  await site.endNodes();
});

afterAll(async () => {
  await site.close();
});

interface Answer {
  readonly looked: readonly string[];
  readonly findings: readonly { readonly level: string; readonly where: string; readonly what: string }[];
}

async function ask(words: readonly string[] = []): Promise<{ code: number | null; answer: Answer }> {
  const { code, out, error } = await site.tandem(['doctor', '--json', ...words]);
  expect(error).toBe('');
  return { code, answer: JSON.parse(out) as Answer };
}

/** The test server is fast rather than safe: that is found, and nothing else. */
const unsafe = { level: 'error', where: 'postgres', what: 'fsync is off' };

it('says what it looked at, what would hurt, why, and what to do', async () => {
  const { code, out } = await site.tandem(['doctor']);
  expect(code).toBe(1);
  expect(out).toMatch(
    /^looked at PostgreSQL \S+ at .*\nlooked at no node of the pair is running: clocks were not compared\n\nerror: postgres: fsync is off\n {2}why: .*\n {2}do: set fsync = on\n\n1 error, 0 warnings, 0 notes\n$/,
  );
});

it('reaches the nodes that run, under the address that they tell each other', async () => {
  const ports = [await freePort(), await freePort()];
  site.run('a', ports[0] ?? 0);
  site.run('b', ports[1] ?? 0);
  const { findings } = await eventually('both have joined', async () => {
    const { answer } = await ask();
    return answer.looked.includes('nodes a, b') ? answer : undefined;
  });
  expect(findings).toEqual([expect.objectContaining(unsafe)]);
  await site.configure('wrong-token.yaml', (same) =>
    same.replace('a-token-of-twenty-letters', 'another-token-of-mine'),
  );
  const { code, answer } = await ask(['-c', 'wrong-token.yaml']);
  expect(code).toBe(1);
  expect(answer.findings.filter(({ where }) => where === 'nodes')).toEqual([
    expect.objectContaining({
      level: 'error',
      what: expect.stringMatching(/^node a does not answer at .*token/) as string,
    }),
    expect.objectContaining({
      level: 'error',
      what: expect.stringMatching(/^node b does not answer at .*token/) as string,
    }),
  ]);
});

it('counts the connections that both nodes need', async () => {
  await site.configure('lanes.yaml', (same) => same.replace('    sources:', '    lanes: 64\n    sources:'));
  const { code, answer } = await ask(['-c', 'lanes.yaml']);
  expect(code).toBe(1);
  // Per node: coordinator 2, snapshots 1, and 64 lanes with a source, a publisher and its follower.
  expect(answer.findings).toContainEqual(
    expect.objectContaining({ what: expect.stringMatching(/^both nodes need up to 585 connections/) as string }),
  );
});

it('says what it could not reach', async () => {
  const { code, answer } = await ask([
    '-c',
    await site.configure('away.yaml', (same) => same.replace('${DATABASE}', 'postgres://u:secret@127.0.0.1:1/x')),
  ]);
  expect(code).toBe(1);
  expect(answer.findings).toHaveLength(1);
  expect(answer.findings[0]).toMatchObject({ level: 'error', where: 'postgres' });
  expect(answer.findings[0]?.what).toMatch(/127\.0\.0\.1:1/);
  expect(JSON.stringify(answer)).not.toContain('secret');
  expect(answer.looked.join()).toContain('the nodes are not known');
});

it('a mistake in the configuration is a mistake of the user', async () => {
  expect(await site.tandem(['doctor', '-c', 'none.yaml'])).toMatchObject({
    code: 2,
    error: 'none.yaml: there is no such file. Name the configuration with --config or in TANDEM_CONFIG\n',
  });
});

// tandem status --watch over a pair that changes: on a screen, in a log and as JSON, until a signal comes.
import { main } from '../src/program.ts';
import { recordingTerminal, type RecordedTerminal } from './fixtures.ts';
import { eventually, start, type Running } from './process.ts';
import { freePort, Site, token } from './site.ts';

jest.setTimeout(90_000);

const clearScreen = '\u001b[H\u001b[2J';

let site: Site;
let nodes: Record<'a' | 'b', Running>;
const urls = { a: '', b: '' };

beforeEach(async () => {
  site = await Site.open();
  const [a, b] = [await freePort(), await freePort()];
  urls.a = `http://127.0.0.1:${String(a)}`;
  urls.b = `http://127.0.0.1:${String(b)}`;
  nodes = { a: site.run('a', a), b: site.run('b', b) };
  await eventually('nothing is wrong', async () => {
    const { out, error } = await site.tandem(['status', '--url', urls.a], { TANDEM_TOKEN: token });
    if (/^b +/m.test(out) && !out.includes('Problems')) return true;
    throw new Error(out + error);
  });
});

afterEach(async () => {
  await site.close();
});

function watchAsProcess(url: string, ...more: readonly string[]): Running {
  return start(['status', '--watch', '--url', url, ...more], { TANDEM_TOKEN: token }, site.folder);
}

function watchOnScreen(url: string): { readonly terminal: RecordedTerminal; readonly ended: Promise<number> } {
  const terminal = recordingTerminal({ environment: { TANDEM_TOKEN: token }, screen: true });
  return { terminal, ended: main(['status', '--watch', '--url', url], terminal) };
}

const holds = (what: string, look: () => boolean) => eventually(what, () => Promise.resolve(look() ? true : undefined));

const lines = (text: string) => text.split('\n').length - 1;
const pictures = (text: string) => text.split('pair orders').slice(1);

test('a watch draws a screen anew, writes a log only of what changes, and ends when it is told to', async () => {
  const log = watchAsProcess(urls.a);
  const json = watchAsProcess(urls.a, '--json');
  const screen = watchOnScreen(urls.a);
  await holds('some seconds went by', () => lines(json.out()) >= 3);
  const drawn = screen.terminal.output();
  expect(drawn.startsWith(`${clearScreen}pair orders   epoch 1   active `)).toBe(true);
  expect(drawn.split(clearScreen).length - 1).toBe(pictures(drawn).length);
  expect(pictures(drawn).length).toBeGreaterThan(1);
  expect(pictures(log.out())).toHaveLength(1);
  expect(log.out()).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z\npair orders {3}epoch 1/);
  expect(log.out()).not.toContain('\u001b');
  for (const line of json.out().trim().split('\n'))
    expect(JSON.parse(line)).toMatchObject({ pair: 'orders', epoch: 1 });

  nodes.b.child.kill('SIGKILL');
  const gone = `no node answers at ${urls.b}: nothing listens there`;
  await holds('the log says that b is gone', () => log.out().includes(gone));
  await holds('the screen says that b is gone', () => screen.terminal.output().includes(gone));
  expect(pictures(log.out()).at(-1)).toMatch(/\n\? +no answer/);

  log.child.kill('SIGINT');
  json.child.kill('SIGTERM');
  expect(await log.ended).toMatchObject({ code: 0, error: '' });
  expect(await json.ended).toMatchObject({ code: 0, error: '' });
  screen.terminal.signal('SIGINT');
  expect(await screen.ended).toBe(0);
  expect(screen.terminal.exits).toEqual([]);
});

test('a watch ends at once although a node hangs, and its code says whether one was active', async () => {
  const screen = watchOnScreen(urls.a);
  await holds('a first picture', () => screen.terminal.output() !== '');
  const log = watchAsProcess(urls.b);
  await holds('a first picture', () => log.out() !== '');
  nodes.a.child.kill('SIGSTOP');
  nodes.b.child.kill('SIGKILL');
  await holds('the silence of a is told', () => log.out().includes(`${urls.a} sent nothing for `));
  expect(log.out()).toContain('no node is active: nothing is published');
  log.child.kill('SIGINT');
  expect(await log.ended).toMatchObject({ code: 1, error: '' });
  // Its question to a is unanswered.
  screen.terminal.signal('SIGINT');
  expect([0, 1]).toContain(await screen.ended);
});

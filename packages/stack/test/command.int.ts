// npm run stack, as a process: up and down in a folder of its own, and what it says when it cannot.
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { describeWithStack } from '@tandem/stack';
import { fetchJars } from '../src/jars.ts';
import { makePath, stackIn } from './support/command.ts';
import { exists, makeFolder } from './support/world.ts';

jest.setTimeout(120_000);

let folder: string;

beforeAll(async () => {
  folder = await makeFolder();
});

function stack(args: readonly string[], environment: Readonly<Record<string, string | undefined>> = {}) {
  return stackIn(folder, args, environment);
}

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describeWithStack('npm run stack', () => {
  it('starts everything, says where it is, finds it later and ends it', async () => {
    expect(await stack(['status'])).toMatchObject({ exitCode: 3 });

    const up = await stack(['up', '--no-docker']);
    expect(up).toMatchObject({ exitCode: 0 });
    expect(up.stdout).toMatch(
      /^export TANDEM_KAFKA=127\.0\.0\.1:\d+\nexport TANDEM_ZOOKEEPER=127\.0\.0\.1:\d+\nexport DATABASE_URL=postgres:\S+\n$/,
    );
    const exported: Record<string, string> = Object.fromEntries(
      [...up.stdout.matchAll(/export (\w+)=(.*)/g)].map(([, name = '', value = '']): [string, string] => [name, value]),
    );
    const status = await stack(['status'], exported);
    expect(status).toMatchObject({ exitCode: 0 });
    const pids = [...status.stdout.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));
    expect(pids.map(exists)).toEqual([true, true, true]);

    // Once more, with what it printed in the environment: the same ones.
    expect((await stack(['up', '--no-docker'], exported)).stdout).toBe(up.stdout);

    process.kill(Number(await readFile(path.join(folder, 'zookeeper', 'pid'), 'utf8')), 'SIGKILL');
    const partly = await stack(['status']);
    expect(partly).toMatchObject({ exitCode: 3, stdout: expect.stringMatching(/ZooKeeper +down/) as string });

    expect(await stack(['down'])).toMatchObject({ exitCode: 0 });
    expect(pids.map(exists)).toEqual([false, false, false]);
    expect(await stack(['status'])).toMatchObject({ exitCode: 3 });
    expect(await stack(['down'])).toMatchObject({ exitCode: 0, stderr: 'Nothing of it is running.\n' });
  });
});

it.each([
  [['upp'], {}, /^stack-usage: unknown command 'upp'/],
  [['up', '--now'], {}, /^stack-usage: Unknown option '--now'\. See/],
  [['down', 'kafka'], {}, /^stack-usage: 'kafka' after 'down' means nothing/],
  [['up'], { TANDEM_KAFKA: '127.0.0.1:1' }, /^stack-unreachable: Kafka does not answer at the address in TANDEM_KAFKA/],
  [['up'], { TANDEM_ZOOKEEPER: 'nonsense' }, /^stack-unreachable: ZooKeeper does not answer/],
])('answers %j with %j in one line and exit code 2', async (args, environment, line) => {
  const { exitCode, stdout, stderr } = await stack(args, environment);
  expect(stderr).toMatch(line);
  expect(stderr.trimEnd()).not.toContain('\n');
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
});

it('says what to install where there is no Java and no way to get it', async () => {
  const { exitCode, stderr } = await stack(['install'], { PATH: await makePath(folder, {}), JAVA_HOME: undefined });
  expect(stderr).toMatch(/^stack-no-java: no Java runtime was found, .*Install Java 17 or newer and Maven/);
  expect(exitCode).toBe(2);
});

const itAsRoot = process.getuid?.() === 0 ? it : it.skip;
itAsRoot('installs by apt-get what is missing, and says what that said when it fails', async () => {
  const failing = await makePath(folder, {
    'apt-get': 'case $1 in install) echo "E: no such package"; exit 100;; esac',
  });
  const failed = await stack(['install'], { PATH: failing, JAVA_HOME: undefined });
  expect(failed.stderr).toMatch(
    /\nstack-install: apt-get install failed \(exit code 100\): E: no such package\. Install/,
  );
  expect(failed.exitCode).toBe(1);

  const useless = await makePath(folder, { 'apt-get': '' });
  const old = await stack(['install'], { PATH: useless, JAVA_HOME: undefined });
  expect(old.stderr).toMatch(
    /\nstack-no-java: after apt-get install default-jre-headless maven: no Java runtime was found/,
  );
});

describeWithStack('fetching jars', () => {
  it('says what Maven said when it fails, and keeps nothing half fetched', async () => {
    const before = process.env['PATH'];
    const script = 'case $1 in --version) ;; *) echo "[ERROR] Could not resolve dependencies"; exit 1;; esac';
    process.env['PATH'] = `${await makePath(folder, { mvn: script })}${path.delimiter}${String(before)}`;
    try {
      await expect(fetchJars('zookeeper-3.9', folder)).rejects.toMatchObject({
        code: 'stack-jars',
        message: expect.stringMatching(
          /^Maven could not fetch the jars of zookeeper-3\.9\.xml \(exit code 1\): \[ERROR\] Could not resolve/,
        ) as string,
      });
    } finally {
      process.env['PATH'] = before;
    }
    const [kept = ''] = await readdir(path.join(folder, 'jars'));
    expect(await readdir(path.join(folder, 'jars', kept))).toEqual([]);
  });
});

// npm run stack with Docker: that of these tests is a script that notes what it is asked, and answers on the ports it is given.
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makePath, stackIn, type Said } from './support/command.ts';
import { makeFolder } from './support/world.ts';

jest.setTimeout(60_000);

let folder: string;

beforeEach(async () => {
  folder = await makeFolder();
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** Answers as far as the stack asks: ApiVersions, "ruok", and an open port. */
const containers = `
import { createServer } from 'node:net';
const [kafka, zookeeper, postgres] = process.argv.slice(2).map(Number);
const serve = (port, answer) => createServer((socket) => socket.on('data', () => socket.end(answer))).listen(port, '127.0.0.1');
serve(kafka, Buffer.from('0000000600000007002300000000', 'hex'));
serve(zookeeper, 'imok');
serve(postgres, '');
`;

async function withDocker(script: string): Promise<(args: readonly string[]) => Promise<Said>> {
  await writeFile(path.join(folder, 'containers.mjs'), containers);
  const bin = await makePath(folder, { docker: `echo "$*" >>${folder}/asked\ncase "$*" in\n${script}\nesac` });
  return (args) => stackIn(folder, args, { PATH: `${bin}${path.delimiter}/usr/bin${path.delimiter}/bin` });
}

it('starts containers where an engine answers, knows them later and takes them down', async () => {
  const stack = await withDocker(`
    info*) echo 28.0 ;;
    *' up '*)
      node ${folder}/containers.mjs $TANDEM_KAFKA_PORT $TANDEM_ZOOKEEPER_PORT $TANDEM_POSTGRES_PORT >/dev/null 2>&1 &
      echo $! >${folder}/containers ;;
    *' down') kill $(cat ${folder}/containers) ;;`);
  const up = await stack(['up']);
  expect(up.stdout).toMatch(
    /^export TANDEM_KAFKA=127\.0\.0\.1:\d+\nexport TANDEM_ZOOKEEPER=127\.0\.0\.1:\d+\nexport DATABASE_URL=postgres:\/\/postgres:tandem@127\.0\.0\.1:\d+\/postgres\n$/,
  );
  expect(up.exitCode).toBe(0);
  const compose = `compose --file ${path.join(__dirname, '..', '..', '..', 'docker', 'compose.yaml')}`;
  const asked = async () => (await readFile(path.join(folder, 'asked'), 'utf8')).split('\n');
  expect(await asked()).toContain(`${compose} up --detach --wait kafka zookeeper postgres`);

  const status = await stack(['status']);
  expect(status.stdout.match(/up .*in Docker/g)).toHaveLength(3);
  expect(status.exitCode).toBe(0);
  expect((await stack(['up'])).stdout).toBe(up.stdout);

  expect((await stack(['down'])).exitCode).toBe(0);
  expect(await asked()).toContain(`${compose} down`);
  expect(await stack(['status'])).toMatchObject({ exitCode: 3, stdout: expect.not.stringContaining('up ') as string });
});

it('says in one line what Compose said when it fails', async () => {
  const stack = await withDocker(`info*) echo 28.0 ;;
    *' up '*) echo 'Error response from daemon: no space left on device'; exit 18 ;;`);
  const up = await stack(['up']);
  expect(up.stderr).toMatch(
    /\nstack-docker: docker compose up failed \(exit code 18\): Error response from daemon: no space/,
  );
  expect(up).toMatchObject({ exitCode: 1, stdout: '' });
});

// Commands and nodes with ZooKeeper as the coordinator, and everything else in PostgreSQL.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeWithStack, startZooKeeper, type ZooKeeperServer } from '@tandem/stack';
import { eventually } from './process.ts';
import { freePort, Site } from './site.ts';

jest.setTimeout(90_000);

describeWithStack(
  'a pair with ZooKeeper as its coordinator',
  () => {
    let folder: string;
    let server: ZooKeeperServer;
    let site: Site;

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'tandem-cli-zookeeper-'));
      // It allows sessions of 600 ms and more; 500 ms are asked for.
      server = await startZooKeeper({ dataDir: folder, tickTime_ms: 300 });
    });

    afterAll(async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    });

    beforeEach(async () => {
      site = await Site.open();
    });

    afterEach(async () => {
      await site.close();
    });

    async function configure(name: string, more: (text: string) => string = (same) => same): Promise<void> {
      // Named after the database, so that each test has znodes of its own.
      const chroot = new URL(site.url).pathname;
      await site.configure(name, (text) =>
        more(
          text.replace(
            'coordinator: { postgres: { sessionTimeout: 1s } }',
            `zookeeper: { connect: '${server.address}${chroot}', user: shop, password: open-sesame }\ncoordinator: { zookeeper: { sessionTimeout: 500ms } }`,
          ),
        ),
      );
    }

    interface Status {
      readonly active: string | null;
      readonly epoch: number | null;
      readonly problems: readonly string[];
    }

    async function status(port: number): Promise<Status> {
      const found = await site.tandem(['status', '--json'], site.environment('a', port));
      if (found.out === '') throw new Error(found.error);
      return JSON.parse(found.out) as Status;
    }

    it('is told where a key belongs, and that nobody is there', async () => {
      await configure('nested.yaml', (text) =>
        text.replace('zookeeper: { sessionTimeout: 500ms }', 'zookeeper: { connect: zk1, sessionTimeout: 500ms }'),
      );
      expect(await site.tandem(['validate', '-c', 'nested.yaml', '--offline'])).toMatchObject({
        code: 2,
        error:
          "nested.yaml:5: coordinator.zookeeper.connect: belongs in the section 'zookeeper'. Put it there, at the top level of the file\n",
      });
      await configure('nowhere.yaml', (text) => text.replace(server.address, '127.0.0.1:1'));
      for (const command of ['run', 'validate', 'status', 'reset orders']) {
        const found = await site.tandem([...command.split(' '), '-c', 'nowhere.yaml']);
        expect(found.code).toBe(1);
        expect(found.out + found.error).toContain('ZooKeeper does not answer: 127.0.0.1:1 (');
        expect(found.out + found.error).not.toContain('open-sesame');
      }
    });

    it('is told of sessions that the server makes longer, and refused where the timing does not allow it', async () => {
      await configure('tandem.yaml');
      const checked = await site.tandem(['validate']);
      expect(checked).toMatchObject({ code: 0, error: '' });
      expect(checked.out).toMatch(/\nzookeeper: ZooKeeper 3\.9\.\d+ at 127\.0\.0\.1:\d+, sessions of 600ms to 1m\n/);
      expect(checked.out).toContain(
        '\ncoordinator: sessions last 600ms: the server allows no less than 600ms, 500ms was asked for\nok\n',
      );
      const looked = await site.tandem(['doctor']);
      expect(looked.out).toContain('zookeeper: zookeeper.connect names one server\n');
      expect(looked.out).not.toContain('open to everybody');
      await configure('tight.yaml', (text) => `${text}switchover: { limit: 550ms }\n`);
      const refused = await site.tandem(['run', '-c', 'tight.yaml']);
      expect(refused).toMatchObject({
        code: 2,
        error:
          'tight.yaml:14: switchover.limit: 550ms is shorter than the session time-out of 600ms. Set it to at least that (the server allows no less than 600ms, 500ms was asked for)\n',
      });
    });

    it('fails over when the active is killed, goes on while ZooKeeper is away, and can be reset when all is over', async () => {
      await configure('tandem.yaml');
      const [portA, portB] = [await freePort(), await freePort()];
      const a = site.run('a', portA);
      await eventually('a is active', async () => (await status(portA)).active === 'a' || undefined);
      expect(a.out()).toContain('sessions last 600ms');
      const b = site.run('b', portB);
      await eventually('b is in sync', async () => ((await status(portA)).problems.length === 0 ? true : undefined));

      a.child.kill('SIGKILL');
      await eventually('b is active', async () => {
        const { active, epoch } = await status(portB);
        return active === 'b' && epoch === 2 ? true : undefined;
      });

      await server.kill();
      await eventually('b says that its coordinator is away', async () => {
        const { active, problems } = await status(portB);
        return active === 'b' && problems.some((one) => one.includes('no connection to the coordinator'))
          ? true
          : undefined;
      });
      expect((await status(portB)).problems.join('\n')).toMatch(/the coordinator does not answer: ZooKeeper/);
      await server.start();
      await eventually('b has it back', async () => {
        const { active, problems } = await status(portB);
        return active === 'b' && !problems.some((one) => one.includes('coordinator')) ? true : undefined;
      });

      const alive = await site.tandem(['reset', 'orders', '--yes'], site.environment('a', portA));
      expect(alive).toMatchObject({ code: 2, error: expect.stringContaining('b (http://127.0.0.1:') as string });
      b.child.kill('SIGTERM');
      expect((await b.ended).code).toBe(0);
      const reset = await site.tandem(['reset', 'orders', '--yes'], site.environment('a', portA));
      expect(reset).toMatchObject({ code: 0, error: '' });
      expect(reset.out).toContain('the record of where it began: orders/0:0 orders/1:0');
      expect(await site.tandem(['reset', 'orders', '--yes'])).toMatchObject({ code: 2 });
    });

    it('does not start over what has seen later epochs, until a reset has raised them', async () => {
      await configure('tandem.yaml');
      const port = await freePort();
      const run = async (expected: number): Promise<void> => {
        const node = site.run('a', port);
        await eventually(`a is active in epoch ${String(expected)}`, async () => {
          const { active, epoch, problems } = await status(port);
          return active === 'a' && epoch === expected && problems.length === 1 ? true : undefined;
        });
        node.child.kill('SIGTERM');
        await node.ended;
      };
      await run(1);
      await run(2);
      // Another folder: as if ZooKeeper had lost everything.
      await configure('tandem.yaml', (text) => text.replace(`${server.address}/`, `${server.address}/lost/`));
      const refused = await site.tandem(['run'], site.environment('a', port));
      expect(refused).toMatchObject({
        code: 2,
        error: expect.stringContaining('the coordinator (zookeeper) of pair orders knows no epoch') as string,
      });
      const reset = await site.tandem(['reset', 'orders', '--yes'], site.environment('a', port));
      expect(reset).toMatchObject({ code: 0, error: '' });
      expect(reset.out).toContain("The pair's epoch is raised to 2");
      await run(3);
    });
  },
  ['zookeeper-3.9'],
);

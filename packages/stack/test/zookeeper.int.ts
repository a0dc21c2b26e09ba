// ZooKeeper as a process, and who owns it: killed in every way, none may be left behind.
import { mkdir, open, readdir, readFile, readlink, rm } from 'node:fs/promises';
import path from 'node:path';
import { describeWithStack, startZooKeeper, type ZooKeeperServer } from '@tandem/stack';
import { eventually, exists, java, makeFolder, startOwner } from './support/world.ts';

jest.setTimeout(120_000);

describeWithStack('ZooKeeper', () => {
  let folder: string;
  const servers: ZooKeeperServer[] = [];
  const owners: { readonly said: unknown; kill(): void }[] = [];

  beforeEach(async () => {
    folder = await makeFolder();
  });

  afterEach(async () => {
    for (const owner of owners) owner.kill();
    for (const server of servers.splice(0)) await server.stop();
    // The guard finds it by what is in the folder.
    for (const { said } of owners.splice(0)) await eventually('the server is gone', () => !exists(Number(said)));
    await rm(folder, { recursive: true });
  });

  async function start(): Promise<ZooKeeperServer> {
    const server = await startZooKeeper({ dataDir: folder });
    servers.push(server);
    return server;
  }

  /** Another process that starts or joins the same server. */
  async function startOther(descriptor?: number) {
    const program = `const server = await startZooKeeper({ dataDir: ${JSON.stringify(folder)} }); say(server.pid);`;
    const owner = await startOwner(folder, program, descriptor);
    owners.push(owner);
    return owner;
  }

  it('gives short sessions, and keeps its data and port when it is killed and started again', async () => {
    const server = await start();
    const { pid, address } = server;
    expect(await java('Znodes', [address, 'create', '/kept', 'forty-two'], 'zookeeper-3.9')).toBe('forty-two 300');
    await server.kill();
    expect(exists(pid)).toBe(false);
    await server.start();
    expect(server.address).toBe(address);
    expect(await java('Znodes', [address, 'read', '/kept'], 'zookeeper-3.9')).toBe('forty-two 300');
    await server.stop();
    expect(exists(server.pid)).toBe(false);
  });

  it('is shared by processes, and gone when the last of them is killed', async () => {
    const one = await startOther();
    const two = await startOther();
    expect(two.said).toBe(one.said);
    one.kill();
    await eventually('the dead owner is off the list', async () => {
      return (await readdir(path.join(folder, 'owners'))).length === 1;
    });
    expect(exists(Number(one.said))).toBe(true);
    two.kill();
    await eventually('the server is gone', () => !exists(Number(one.said)));
  });

  it('is found again, and owned again, after its owner and the guard were killed', async () => {
    const owner = await startOther();
    const guard = Number(await readFile(path.join(folder, 'owners', owner.pid.toString()), 'utf8'));
    process.kill(guard, 'SIGKILL');
    owner.kill();
    await eventually('nobody watches it', () => !exists(guard) && !exists(owner.pid));
    const server = await start();
    expect(server.pid).toBe(owner.said);
  });

  it('is replaced when it hangs', async () => {
    const hanging = await start();
    const { pid } = hanging;
    hanging.signal('SIGSTOP');
    expect((await start()).pid).not.toBe(pid);
    expect(exists(pid)).toBe(false);
  });

  const itOnLinux = process.platform === 'linux' ? it : it.skip;
  itOnLinux('holds no file that its owner has open', async () => {
    const locked = path.join(folder, 'locked');
    await mkdir(folder, { recursive: true });
    const file = await open(locked, 'w');
    const owner = await startOther(file.fd);
    await file.close();
    const held = async (pid: number) => {
      const descriptors = `/proc/${pid.toString()}/fd`;
      // One that is closed meanwhile is not held.
      const links = (await readdir(descriptors)).map((name) => readlink(path.join(descriptors, name)).catch(() => ''));
      return await Promise.all(links);
    };
    expect(await held(owner.pid)).toContain(locked);
    expect(await held(Number(owner.said))).not.toContain(locked);
    owner.kill();
    await eventually('the server is gone', () => !exists(Number(owner.said)));
  });

  it('refuses time-outs that are none', async () => {
    await expect(startZooKeeper({ dataDir: folder, tickTime_ms: 0.5 })).rejects.toMatchObject({ code: 'stack-usage' });
  });
});

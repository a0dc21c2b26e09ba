import { zookeeperCoordinatorSchema, zookeeperSystemSchema } from '@tandem/zookeeper';

function problemsOf(section: unknown): string[] {
  const result = zookeeperSystemSchema.safeParse(section);
  return (result.error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('the section of ZooKeeper', () => {
  it('names servers, with the usual port unless another is given, and a folder', () => {
    expect(zookeeperSystemSchema.parse({ connect: 'zk1, zk2:2182,10.0.0.3/teams/blue/' })).toEqual({
      connect: {
        servers: [
          { host: 'zk1', port: 2181 },
          { host: 'zk2', port: 2182 },
          { host: '10.0.0.3', port: 2181 },
        ],
        chroot: '/teams/blue',
      },
    });
    expect(zookeeperSystemSchema.parse({ connect: 'zk1/' }).connect.chroot).toBe('');
  });

  it.each(['', 'zk1,', 'zk1:0', 'zk1:port', 'zk1:99999', '[::1]:2181', 'http://zk1', 'zk 1'])(
    'refuses %j as servers and shows how to write them',
    (connect) => {
      expect(problemsOf({ connect }).join()).toMatch(/^connect: .*Write/);
    },
  );

  it.each(['zk1/a//b', 'zk1/../b', 'zk1/.', 'zk1/a b'])('refuses the folder of %j', (connect) => {
    expect(problemsOf({ connect }).join()).toMatch(/^connect: .*is no folder/);
  });

  it('has a user and a password, or neither', () => {
    expect(problemsOf({ connect: 'zk1', user: 'blue', password: 'secret' })).toEqual([]);
    expect(problemsOf({ connect: 'zk1', user: 'blue' })).toEqual([
      'password: is needed with a user. Set both, or none',
    ]);
    expect(problemsOf({ connect: 'zk1', password: 'secret' })).toEqual([
      'user: is needed with a password. Set both, or none',
    ]);
    expect(problemsOf({ connect: 'zk1', user: 'a:b', password: 'secret' })).toHaveLength(1);
  });

  it('asks for a session of one second unless told otherwise', () => {
    expect(zookeeperCoordinatorSchema.parse({})).toEqual({ sessionTimeout: 1000 });
    expect(zookeeperCoordinatorSchema.safeParse({ sessionTimeout: '100ms' }).success).toBe(false);
  });
});

// What a user writes about ZooKeeper, checked by these schemas; the configuration reference is made from them.
import { duration } from '@tandem/ports/configuration';
import { z } from 'zod';
import { readConnectString } from './connect-string.ts';

const connect = z
  .string()
  .transform((text, context) => {
    const place = readConnectString(text);
    if (typeof place !== 'string') return place;
    context.addIssue({ code: 'custom', message: place });
    return z.NEVER;
  })
  .meta({ bounds: 'servers, and a folder if you like: `zk1:2181,zk2:2181/folder`' })
  .describe(
    'Where the servers are, and after them the folder that everything is kept in (the root unless given). A folder that is missing is made.',
  );

export const zookeeperSystemSchema = z
  .strictObject({
    connect,
    user: z
      .string()
      .regex(/^[^:]+$/, 'must not be empty or hold a colon')
      .optional()
      .describe('With a password: everything is made so that only this user may read and change it (a digest ACL).'),
    password: z.string().min(1).optional().describe('Of that user. Sent unencrypted: ZooKeeper is spoken without TLS.'),
  })
  .superRefine(({ user, password }, context) => {
    if ((user === undefined) === (password === undefined)) return;
    const missing = user === undefined ? 'user' : 'password';
    const given = user === undefined ? 'password' : 'user';
    const message = `is needed with a ${given}. Set both, or none`;
    context.addIssue({ code: 'custom', path: [missing], message });
  })
  .describe('A ZooKeeper ensemble, version 3.5 or newer.');

export const zookeeperCoordinatorSchema = z
  .strictObject({
    sessionTimeout: duration({ least_ms: 200, most_ms: 60_000 })
      .prefault('1s')
      .describe(
        'How long a node that hangs or is cut off stays a member, from 200ms to 60s. The servers have bounds of their own: without minSessionTimeout they allow no less than two ticks, 4s.',
      ),
  })
  .describe('Coordinates the pair through ZooKeeper.');

export type ZookeeperSystem = z.infer<typeof zookeeperSystemSchema>;
export type ZookeeperCoordinatorSettings = z.infer<typeof zookeeperCoordinatorSchema>;

// What a server says of itself: its version, and which session time-outs it allows.
import { connect } from 'node:net';
import { showServer, type Server } from './connect-string.ts';
import { visit, type GuestOptions } from './guest.ts';

const answerLimit_ms = 1000;
const longest_ms = 2 ** 31 - 1;

export interface ServerFacts {
  readonly server: string;
  /** Undefined where the server does not tell (`4lw.commands.whitelist`). */
  readonly version: string | undefined;
  readonly leastSession_ms: number;
  readonly mostSession_ms: number;
}

/** @throws TandemError when there is none, or it allows nothing here */
export async function askServer(options: GuestOptions): Promise<ServerFacts> {
  const least = await visit(
    options,
    async ({ connection, znodes }) => {
      // Shows whether this user may look.
      await connection.read(znodes.epoch);
      return { server: connection.server, session_ms: connection.sessionTimeout_ms };
    },
    1,
  );
  const [mostSession_ms, version] = await Promise.all([negotiateSession(options, longest_ms), versionOf(least.server)]);
  return { server: showServer(least.server), version, leastSession_ms: least.session_ms, mostSession_ms };
}

/** What a session gets that asks for this. @throws TandemError */
export async function negotiateSession(options: GuestOptions, sessionTimeout_ms: number): Promise<number> {
  return await visit(options, ({ connection }) => Promise.resolve(connection.sessionTimeout_ms), sessionTimeout_ms);
}

/** One of ZooKeeper's four-letter words; the only one that is allowed by default. */
function versionOf({ host, port }: Server): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    let answer = '';
    socket.setEncoding('utf8');
    socket.setTimeout(answerLimit_ms, () => socket.destroy());
    socket.on('connect', () => socket.write('srvr'));
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve(/^Zookeeper version: ([^\s,-]+)/m.exec(answer)?.[1]);
    });
  });
}

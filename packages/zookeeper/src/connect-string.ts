// ZooKeeper's own way to say where it is: `zk1:2181,zk2:2181/some/folder`.

export interface Server {
  readonly host: string;
  readonly port: number;
}

export interface Place {
  readonly servers: readonly Server[];
  /** The folder that everything lies in, from its slash on; empty for the root. */
  readonly chroot: string;
}

export const showServer = ({ host, port }: Server): string => `${host}:${String(port)}`;

const defaultPort = 2181;

/** What is wrong with it as one sentence, or where it leads. IPv6 addresses are not understood by the client library. */
export function readConnectString(text: string): Place | string {
  const [, list = '', chroot = ''] = /^([^/]*)(.*)$/.exec(text.trim()) ?? [];
  const folder = chroot.replace(/\/+$/, '');
  if (folder !== '' && !/^(\/(?!\.{1,2}(\/|$))[\w.-]+)+$/.test(folder)) {
    return `'${chroot}' is no folder. Write it like /some/folder, with letters, digits, dots, dashes and underscores`;
  }
  const servers: Server[] = [];
  for (const part of list.split(',').map((one) => one.trim())) {
    const match = /^([A-Za-z0-9_][A-Za-z0-9._-]*)(?::(\d{1,5}))?$/.exec(part);
    const port = Number(match?.[2] ?? defaultPort);
    if (match?.[1] === undefined || port < 1 || port > 65_535) {
      return `'${part}' is not a server. Write host names or IPv4 addresses like zk1:2181,zk2:2181`;
    }
    servers.push({ host: match[1], port });
  }
  return { servers, chroot: folder };
}

// Binding the admin port, with errors that say what to do.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TandemError } from '@tandem/ports';

/** As it stands in a URL that reaches this machine. */
export function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

/** The port that was bound. @throws TandemError `port-in-use`, `cannot-listen`. */
export function listen(server: Server, at: { readonly host: string; readonly port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        reject(
          new TandemError(
            'port-in-use',
            `port ${at.port} on ${at.host} is in use; stop what listens there or set node.listen to another port`,
            {
              blame: 'user',
              cause: error,
            },
          ),
        );
      } else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EACCES' || error.code === 'ENOTFOUND') {
        reject(
          new TandemError(
            'cannot-listen',
            `cannot listen on ${at.host}:${at.port} (${error.code}); check node.listen`,
            { blame: 'user', cause: error },
          ),
        );
      } else reject(error);
    });
    server.listen(at.port, at.host, () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

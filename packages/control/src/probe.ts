// Is that process gone? A refused connection or another incarnation's answer says so; everything else does not.
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { Member } from '@tandem/pair';

/** Every answer of a node's HTTP server carries its incarnation in this header. */
export const incarnationHeader = 'tandem-incarnation';

export const probeLimit_ms = 500;

/** `unknown`: no answer within the limit, or one that says nothing. */
export type ProbeOutcome = 'gone' | 'alive' | 'unknown';

export function probe(peer: Member, limit_ms: number): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
    const url = new URL('/livez', peer.address);
    const send = url.protocol === 'https:' ? secureRequest : request;
    const call = send(url, { method: 'GET', agent: false, timeout: limit_ms }, (response) => {
      response.resume();
      const incarnation = response.headers[incarnationHeader];
      if (incarnation === undefined) resolve('unknown');
      else resolve(incarnation === peer.incarnation ? 'alive' : 'gone');
    });
    call.on('timeout', () => {
      resolve('unknown');
      call.destroy();
    });
    call.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED' ? 'gone' : 'unknown');
    });
    call.end();
  });
}

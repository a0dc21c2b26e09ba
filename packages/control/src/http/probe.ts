// Is that process gone? A refused connection or another incarnation's answer says so; everything else does not.
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect } from 'node:net';
import type { Member } from '@tandem/pair';
import type { ProbeOutcome } from '../network.ts';

/** Every answer of a node's HTTP server carries its incarnation in this header. */
export const incarnationHeader = 'tandem-incarnation';

/** Connecting and the answer may each take `limit_ms`. */
export async function probe(peer: Member, limit_ms: number): Promise<ProbeOutcome> {
  const url = new URL('/livez', peer.address);
  // Nearly all that a crash leaves behind is a refusal, and a bare connection learns of it soonest.
  return (await isRefused(url, limit_ms)) ? 'gone' : askIncarnation(url, peer, limit_ms);
}

function isRefused({ protocol, hostname, port }: URL, limit_ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({
      // An IPv6 address stands in brackets there.
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
      timeout: limit_ms,
    });
    const end = (refused: boolean): void => {
      socket.destroy();
      resolve(refused);
    };
    socket.on('connect', () => {
      end(false);
    });
    socket.on('timeout', () => {
      end(false);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      end(error.code === 'ECONNREFUSED');
    });
  });
}

function askIncarnation(url: URL, peer: Member, limit_ms: number): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
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

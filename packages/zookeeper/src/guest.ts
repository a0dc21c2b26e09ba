// For tools and for what happens before joining: a session for a moment, which is nobody's membership.
import type { Epoch, View } from '@tandem/pair';
import type { Clock, CoordinatorReader } from '@tandem/ports';
import type { Connection, Credentials } from './connection.ts';
import type { ZookeeperSystem } from './configuration.ts';
import { epochText } from './entries.ts';
import { makeLayout } from './layout.ts';
import { readPairState } from './pair-state.ts';
import { Session } from './session.ts';
import { accessFor, Znodes, type Access } from './znodes.ts';

const connectLimit_ms = 5000;
/** Where every server refuses, nobody wants to wait for the limit. */
const rounds = 2;
/** Longer than what any tool does takes, short enough to be forgotten soon if it is killed. */
const guestSession_ms = 10_000;
const endLimit_ms = 1000;

export interface GuestOptions {
  readonly system: ZookeeperSystem;
  readonly pair: string;
  readonly clock: Clock;
}

export interface Visit {
  readonly connection: Connection;
  readonly znodes: Znodes;
  readonly access: Access;
}

export function credentialsOf({ user, password }: ZookeeperSystem): Credentials | undefined {
  return user === undefined || password === undefined ? undefined : { user, password };
}

/** @throws TandemError `coordinator-unreachable`, `zookeeper-rights`, or what the work throws */
export async function visit<T>(
  options: GuestOptions,
  work: (visit: Visit) => Promise<T>,
  sessionTimeout_ms = guestSession_ms,
): Promise<T> {
  const { system, pair, clock } = options;
  const credentials = credentialsOf(system);
  // The clock's timers keep no process alive, and between two tries there is nothing else that would.
  const alive = setInterval(() => undefined, connectLimit_ms);
  const session = new Session({ servers: system.connect.servers, credentials, sessionTimeout_ms, clock });
  try {
    const connection = await session.connect({ until_ms: clock.now_ms() + connectLimit_ms, rounds });
    try {
      const znodes = new Znodes(system.connect.chroot, pair);
      return await work({ connection, znodes, access: accessFor(credentials !== undefined) });
    } finally {
      await connection.end(endLimit_ms);
    }
  } finally {
    clearInterval(alive);
  }
}

/** Looks without joining. */
export function createZookeeperCoordinatorReader(options: GuestOptions): CoordinatorReader {
  return { readView: () => visit(options, readViewAsGuest) };
}

export async function readViewAsGuest({ connection, znodes, access }: Visit): Promise<View> {
  await catchUp(connection, znodes, access);
  const state = await readPairState(connection, znodes);
  return state?.view ?? { epoch: undefined, active: undefined, members: [] };
}

/** By way of the leader: what is read afterwards on this connection is as new as this, whoever has written it. */
export async function catchUp(connection: Connection, znodes: Znodes, access: Access): Promise<void> {
  await connection.change([{ step: 'check', path: znodes.epoch }], access.own);
}

/** Makes the pair's znodes where they are missing. @throws TandemError */
export async function prepareZookeeper(options: GuestOptions): Promise<void> {
  await visit(options, ({ connection, znodes, access }) => makeLayout(connection, znodes, access));
}

/**
 * Raises the pair's epoch to this one where it is lower; nobody is active then. For a coordinator that has lost what
 * it knew: the next claim must be above everything that a fence has seen (S1). @throws TandemError
 */
export async function raiseEpoch(options: GuestOptions, epoch: Epoch): Promise<void> {
  await visit(options, async ({ connection, znodes, access }) => {
    await makeLayout(connection, znodes, access);
    for (;;) {
      await catchUp(connection, znodes, access);
      const state = await readPairState(connection, znodes);
      if (state === undefined) throw new Error(`${znodes.epoch} has gone`);
      if ((state.view.epoch ?? 0) >= epoch) return;
      const outcome = await connection.change(
        [
          { step: 'check', path: znodes.epoch, version: state.epochVersion },
          { step: 'set', path: znodes.epoch, text: epochText(epoch) },
          ...(state.hasActive ? [{ step: 'remove', path: znodes.active } as const] : []),
        ],
        access.own,
      );
      if (outcome === 'done') return;
    }
  });
}

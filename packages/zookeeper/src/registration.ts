// How a process enters its pair: its member entry, made in the session that it now has.
import type { Member } from '@tandem/pair';
import { pause, TandemError, type Clock } from '@tandem/ports';
import type { Connection, Step, Znode } from './connection.ts';
import { activeText, memberText, readActive, readEpoch, readMember } from './entries.ts';
import { makeLayout } from './layout.ts';
import type { Access, Znodes } from './znodes.ts';

export interface RegistrationOptions {
  readonly pair: string;
  readonly znodes: Znodes;
  readonly access: Access;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Returns the version of our entry, 1 or more. A predecessor under the same node id that is silent is waited for until
 * its session has ended; one that renews its entry lives. @throws TandemError `node-id-taken`
 */
export async function register(connection: Connection, self: Member, options: RegistrationOptions): Promise<number> {
  const { znodes, access, clock, signal } = options;
  const { sessionTimeout_ms } = connection;
  const path = znodes.member(self.node);
  // Servers end sessions at their next tick, of which there are at least two in a session.
  const silentUntil_ms = clock.now_ms() + 2 * sessionTimeout_ms;
  let seen: Znode | undefined;
  while (!signal.aborted) {
    const found = await connection.read(path);
    if (found === undefined) {
      const outcome = await connection.change(entrySteps(path, memberText(self)), access.own);
      if (outcome === 'done') return 1;
      if (outcome === 'no-node') await makeLayout(connection, znodes, access);
      continue;
    }
    if (readMember(found.text)?.incarnation === self.incarnation) {
      if (found.owner === connection.owner && found.version > 0) return found.version;
      if (await moveHere(connection, self, found, options)) return 1;
      continue;
    }
    const isSame = seen?.owner === found.owner && seen.text === found.text;
    if ((isSame && seen?.version !== found.version) || clock.now_ms() >= silentUntil_ms) {
      throw taken(self, options.pair, found);
    }
    seen = found;
    await pause(clock, sessionTimeout_ms / 8, signal);
  }
  throw new Error('given up');
}

function taken(self: Member, pair: string, found: Znode): TandemError {
  const who = readMember(found.text)?.incarnation ?? 'not a member of this version';
  const text = `node id '${self.node}' is in use in pair '${pair}' by another process (${who}). Give each node an id of its own; or end the session 0x${found.owner}, if that process is gone.`;
  return new TandemError('node-id-taken', text, { blame: 'user' });
}

/** Made and written in one step, so that its version is 1: 0 would be taken for any. */
function entrySteps(path: string, text: string): Step[] {
  return [
    { step: 'create', path, text, kind: 'ephemeral' },
    { step: 'set', path, text },
  ];
}

/** Our own entries of an older session of ours, which would take them along when it expires. */
async function moveHere(
  connection: Connection,
  self: Member,
  member: Znode,
  { znodes, access }: RegistrationOptions,
): Promise<boolean> {
  const path = znodes.member(self.node);
  const steps: Step[] = [removal(path, member), ...entrySteps(path, memberText(self))];
  const [epochNode, active] = await Promise.all([connection.read(znodes.epoch), connection.read(znodes.active)]);
  if (epochNode !== undefined && active !== undefined && active.owner !== connection.owner) {
    const epoch = readEpoch(znodes.epoch, epochNode.text);
    const held = readActive(active.text);
    if (epoch !== undefined && held?.epoch === epoch && held.incarnation === self.incarnation) {
      steps.unshift({ step: 'check', path: znodes.epoch, version: epochNode.version });
      steps.push(removal(znodes.active, active), ...entrySteps(znodes.active, activeText(self, epoch)));
    }
  }
  return (await connection.change(steps, access.own)) === 'done';
}

function removal(path: string, { version }: Znode): Step {
  return version > 0 ? { step: 'remove', path, version } : { step: 'remove', path };
}

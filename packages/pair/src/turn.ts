// One turn of the role machine: the state as it is being changed, the effects so far, and the words that rules are written in.
import type { AppState, PairEffect, PairSettings, PairState, Role } from './protocol.ts';
import { ProtocolViolation } from './violation.ts';
import type { AppName, Member, View } from './vocabulary.ts';

/** A copy that this turn may change; what it refers to is replaced, never changed. */
type Draft = { -readonly [Field in keyof PairState]: PairState[Field] };

export interface Turn {
  readonly pair: Draft;
  readonly effects: PairEffect[];
  readonly at_ms: number;
  readonly settings: PairSettings;
}

export function beginTurn(pair: PairState, at_ms: number, settings: PairSettings): Turn {
  return { pair: { ...pair }, effects: [], at_ms, settings };
}

export function violated(what: string): never {
  throw new ProtocolViolation(what);
}

export function changeRole(turn: Turn, to: Role, why: string): void {
  const { pair } = turn;
  if (pair.role === to) return;
  turn.effects.push({ type: 'role-changed', from: pair.role, to, epoch: pair.held ?? pair.view?.epoch, why });
  pair.role = to;
}

export function appOf(turn: Turn, name: AppName): AppState {
  return turn.pair.apps[name] ?? violated(`there is no app '${name}' on this node`);
}

export function changeApp(turn: Turn, name: AppName, change: Partial<AppState>): void {
  turn.pair.apps = { ...turn.pair.apps, [name]: { ...appOf(turn, name), ...change } };
}

export function eachApp(turn: Turn): readonly (readonly [AppName, AppState])[] {
  return Object.entries(turn.pair.apps);
}

/** S8: its state is known to be right, however far behind. */
export function isVouchedFor(app: AppState): boolean {
  return app.condition === 'replaying' || app.condition === 'in-sync';
}

/** Nothing more is to be waited for before this node may call itself passive. */
export function isSettled(app: AppState): boolean {
  return isVouchedFor(app) || app.condition === 'inactive' || app.condition === 'failed';
}

export function epochOf(view: View | undefined): number {
  return view?.epoch ?? 0;
}

/** The active, where it is another node. An earlier run of this node is none: it cannot be asked for anything. */
export function otherActive(pair: Pick<PairState, 'view' | 'self'>): Member | undefined {
  const active = pair.view?.active;
  return active === undefined || active.node === pair.self.node ? undefined : active;
}

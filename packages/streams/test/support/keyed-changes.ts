// Changes of a keyed store, and one input's worth of them made in the store and in the plain Map it is compared with.
import type { InputLog } from '../../src/input-log.ts';
import type { KeyedStore } from '../../src/keyed-store.ts';

export type Change = { readonly put: string; readonly value: unknown } | { readonly remove: string };

export function put(store: KeyedStore, key: string, value: unknown): void {
  const entry = store.find(key);
  if (entry === undefined) store.insert(key, value);
  else store.replace(entry, value);
}

export function remove(store: KeyedStore, key: string): void {
  const entry = store.find(key);
  if (entry !== undefined) store.delete(entry);
}

/** Keeps the input, or undoes it; the model as it is then. */
export function applyInput(
  store: KeyedStore,
  log: InputLog,
  model: ReadonlyMap<string, unknown>,
  changes: readonly Change[],
  keep: boolean,
): Map<string, unknown> {
  const changed = new Map(model);
  for (const change of changes) {
    if ('put' in change) {
      put(store, change.put, change.value);
      changed.set(change.put, change.value);
    } else {
      remove(store, change.remove);
      changed.delete(change.remove);
    }
  }
  if (keep) {
    log.forget();
    return changed;
  }
  log.undo();
  return new Map(model);
}

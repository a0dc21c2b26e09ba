// What may be kept as state: plain data, never changed in place. Checked in tests, where it costs nothing that matters.

/** Freezes a value whole. @throws TypeError for what would not survive a snapshot. */
export function freezeState(store: string, value: unknown): void {
  freeze(value, `store '${store}'`);
}

function freeze(value: unknown, where: string): void {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'bigint':
    case 'undefined':
      return;
    case 'object':
      break;
    case 'function':
    case 'symbol':
      throw new TypeError(`${where}: a ${typeof value} cannot be kept as state; keep plain data only`);
  }
  // Bytes cannot be frozen.
  if (value === null || Object.isFrozen(value) || value instanceof Uint8Array) return;
  if (!Array.isArray(value) && !isPlain(value)) {
    const name = value.constructor.name;
    const hint = value instanceof Promise ? 'operators are synchronous' : 'keep plain objects and arrays only';
    throw new TypeError(`${where}: a ${name} cannot be kept as state; ${hint}`);
  }
  Object.freeze(value);
  for (const [name, part] of Object.entries(value)) freeze(part, `${where}, ${name}`);
}

/** By its shape, not by identity: test runners have globals of their own. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Plain data again, sharing nothing with the original: what a snapshot and a restore do to it. */
export function copyState(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return value.slice();
  if (Array.isArray(value)) return value.map(copyState);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, copyState(part)]));
}

/** A TypeError that says that frozen state was changed, in words that say what to do; others as they are. */
export function explainMutation(thrown: unknown): unknown {
  if (!(thrown instanceof TypeError)) return thrown;
  const frozen = /read only property|object is not extensible|^Cannot delete property|^Cannot redefine property/;
  if (!frozen.test(thrown.message)) return thrown;
  return new TypeError(
    `state values are immutable: return a new value instead of changing the old one (${thrown.message})`,
    { cause: thrown },
  );
}

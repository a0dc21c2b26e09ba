// How pairs, apps and revisions are named in a folder. Nothing that somebody else chose becomes a path as it is.

/**
 * A name as a folder's name: letters in lower case, digits, '-' and '_' stand for themselves, every other byte is
 * `%` and two hex digits. So no name leads elsewhere ('..', '/'), and none equals another where the file system takes
 * upper and lower case for the same.
 */
export function encodeName(name: string): string {
  let encoded = '';
  for (const byte of Buffer.from(name)) {
    const character = String.fromCharCode(byte);
    encoded += /[a-z0-9_-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
  }
  if (encoded === '') throw new RangeError('a name must not be empty');
  return encoded;
}

/** What lies in the folder of an app. */
export type Entry =
  /** A whole revision: its content, and what there is to say of it. */
  | { readonly kind: 'revision'; readonly name: string; readonly revision: number }
  /** Being written, by the process that holds this epoch. */
  | { readonly kind: 'part'; readonly name: string; readonly epoch: number }
  /** Being deleted. */
  | { readonly kind: 'gone'; readonly name: string }
  /** An empty file: this epoch has written. */
  | { readonly kind: 'epoch'; readonly name: string; readonly epoch: number }
  /** An empty file: numbers up to this one were given to revisions that are gone. */
  | { readonly kind: 'numbered'; readonly name: string; readonly upTo: number };

const number = String.raw`([1-9]\d{0,15})`;
const patterns = {
  revision: new RegExp(`^revision-${number}$`),
  part: new RegExp(`^part-${number}-[0-9a-f]{12}$`),
  gone: /^gone-[0-9a-f]{12}$/,
  epoch: new RegExp(`^epoch-${number}$`),
  numbered: new RegExp(`^numbered-${number}$`),
};

export const entryName = {
  revision: (revision: number) => `revision-${String(revision)}`,
  part: (epoch: number, random: string) => `part-${String(epoch)}-${random}`,
  gone: (random: string) => `gone-${random}`,
  epoch: (epoch: number) => `epoch-${String(epoch)}`,
  numbered: (upTo: number) => `numbered-${String(upTo)}`,
};

/** Undefined for what is none of ours. */
export function readEntry(name: string): Entry | undefined {
  const of = (kind: keyof typeof patterns): number | undefined => {
    const found = patterns[kind].exec(name);
    return found === null ? undefined : Number(found[1]);
  };
  const revision = of('revision');
  if (revision !== undefined) return { kind: 'revision', name, revision };
  const part = of('part');
  if (part !== undefined) return { kind: 'part', name, epoch: part };
  const epoch = of('epoch');
  if (epoch !== undefined) return { kind: 'epoch', name, epoch };
  const upTo = of('numbered');
  if (upTo !== undefined) return { kind: 'numbered', name, upTo };
  return patterns.gone.test(name) ? { kind: 'gone', name } : undefined;
}

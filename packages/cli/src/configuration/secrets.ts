// Keeps passwords and tokens out of everything that is shown.

const secretKey = /^(token|password|secret|passphrase)$/i;
const urlPassword = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@:]*:([^/?#]*)@/i;
const queryPassword = /[?&](?:password|sslpassword|token|secret)=([^&#]*)/gi;

/** Secrets in a value as it was read: by the names of their keys, and the passwords of URLs. */
export function* secretsIn(value: unknown, key = ''): Generator<string> {
  if (typeof value === 'string') {
    if (secretKey.test(key) && value !== '') yield value;
    yield* secretsInUrl(value);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, child] of Object.entries(value)) yield* secretsIn(child, name);
  }
}

export function* secretsInUrl(url: string): Generator<string> {
  const found = [urlPassword.exec(url)?.[1], ...[...url.matchAll(queryPassword)].map((match) => match[1])];
  for (const encoded of found) {
    if (encoded === undefined || encoded === '') continue;
    yield encoded;
    try {
      yield decodeURIComponent(encoded);
    } catch {
      // Not percent-encoded after all.
    }
  }
}

/** Replaces every secret; very short ones only where they stand in a URL, since they would blot out other text. */
export function hide(text: string, secrets: readonly string[]): string {
  let shown = text.replace(/([a-z][a-z0-9+.-]*:\/\/[^/?#@:\s]*):[^/?#\s]*@/gi, '$1:***@');
  for (const secret of secrets.toSorted((a, b) => b.length - a.length)) {
    if (secret.length >= 4) {
      shown = shown.replaceAll(secret, '***').replaceAll(JSON.stringify(secret).slice(1, -1), '***');
    }
  }
  return shown;
}

// Reads a YAML file into plain values and remembers the line of each, and which values came from the environment.
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml';

export type Path = readonly (string | number)[];

/** Something wrong in the file, on one line. `path` is empty where no value is meant. */
export interface Finding {
  readonly line: number;
  readonly path: Path;
  /** What is wrong and what to do about it. */
  readonly text: string;
}

/** What is known of a scalar beyond its value. */
export interface Origin {
  /** As written in the file, or as the environment gave it. */
  readonly source: string;
  readonly fromEnvironment: boolean;
}

export interface ConfigurationDocument {
  readonly value: unknown;
  readonly findings: readonly Finding[];
  /** Line of the value, or of the nearest thing around it where it does not exist. */
  lineOf(path: Path): number;
  originOf(path: Path): Origin | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Bounds what a file full of aliases can grow to. */
const nodeLimit = 20_000;

/**
 * `${NAME}` is not YAML inside `{ }`, and its value must never be read as YAML. So each is replaced by a mark of two
 * private-use characters round a number before parsing, and by its value in the scalars afterwards.
 */
const reference = /\$?\$\{[^{}\n]*\}/g;
const mark = /\uE000(\d+)\uE001/g;

export function readDocument(text: string, environment: Environment): ConfigurationDocument {
  const references: string[] = [];
  const marked = text.replace(reference, (found) => `\uE000${references.push(found) - 1}\uE001`);
  const lineCounter = new LineCounter();
  const document = parseDocument(marked, { lineCounter, prettyErrors: false, version: '1.2' });
  const lineAt = (offset: number): number => Math.max(1, lineCounter.linePos(offset).line);

  const findings: Finding[] = [];
  const lines = new Map<string, number>();
  const origins = new Map<string, Origin>();

  for (const error of [...document.errors, ...document.warnings]) {
    const what = error.message.replaceAll(mark, (_, index: string) => references[Number(index)] ?? '').split('\n')[0];
    findings.push({ line: lineAt(error.pos[0]), path: [], text: `is not valid YAML: ${what ?? 'cannot be read'}` });
  }

  function resolve(found: string, line: number, path: Path): string {
    if (found.startsWith('$$')) return found.slice(1);
    const parts = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?\}$/.exec(found);
    const name = parts?.[1];
    if (name === undefined) {
      const text = `'${found}' is not understood. Write \${NAME} or \${NAME:-default}, or $\${ for the characters themselves`;
      findings.push({ line, path, text });
      return '';
    }
    const value = environment[name];
    const fallback = parts?.[2];
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value === undefined) {
      const text = `environment variable ${name} is not set. Set it, or write \${${name}:-default}`;
      findings.push({ line, path, text });
      return '';
    }
    return value;
  }

  let nodes = 0;
  function read(node: Node | null, path: Path, line: number): unknown {
    nodes += 1;
    if (nodes > nodeLimit || path.length > 32) {
      if (nodes <= nodeLimit + 1) findings.push({ line, path, text: 'the file is too deep or too large' });
      nodes = nodeLimit + 1;
      return undefined;
    }
    lines.set(JSON.stringify(path), line);
    if (node === null) return null;
    if (isAlias(node)) return read(node.resolve(document) ?? null, path, line);
    if (isMap(node)) {
      // A null prototype, so that a key like __proto__ is only a key.
      const result = Object.create(null) as Record<string, unknown>;
      for (const pair of node.items) {
        const key = pair.key as Node | null;
        const keyLine = lineAt(key?.range?.[0] ?? 0);
        const name = isScalar(key) ? String(key.source ?? key.value) : '';
        if (!isScalar(key) || name.includes('\uE000')) {
          findings.push({ line: keyLine, path, text: 'a key must be plain text, without ${...}' });
          continue;
        }
        result[name] = read(pair.value as Node | null, [...path, name], keyLine);
      }
      return result;
    }
    if (isSeq(node)) {
      return node.items.map((item, index) => {
        const child = item as Node | null;
        return read(child, [...path, index], child?.range ? lineAt(child.range[0]) : line);
      });
    }
    if (!isScalar(node)) return null;
    if (typeof node.value !== 'string') {
      origins.set(JSON.stringify(path), { source: node.source ?? String(node.value), fromEnvironment: false });
      return node.value;
    }
    const value = node.value.replaceAll(mark, (_, index: string) =>
      resolve(references[Number(index)] ?? '', line, path),
    );
    origins.set(JSON.stringify(path), { source: value, fromEnvironment: value !== node.value });
    return value;
  }

  const value = document.errors.length > 0 ? undefined : read(document.contents, [], 1);
  return {
    value,
    findings,
    lineOf(path) {
      for (let length = path.length; length > 0; length -= 1) {
        const line = lines.get(JSON.stringify(path.slice(0, length)));
        if (line !== undefined) return line;
      }
      return 1;
    },
    originOf: (path) => origins.get(JSON.stringify(path)),
  };
}

/** `apps[0].sources.orders` */
export function showPath(path: Path): string {
  return path.reduce<string>((shown, step) => {
    if (typeof step === 'number') return `${shown}[${String(step)}]`;
    return shown === '' ? step : `${shown}.${step}`;
  }, '');
}

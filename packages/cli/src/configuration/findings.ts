// Turns what a schema found wrong into sentences for people, and fits scalars to what the schema wants of them.
import type * as z from 'zod';
import { showPath, type ConfigurationDocument, type Finding, type Path } from './document.ts';
import { descriptionAt, keysAt, type Schema } from './introspect.ts';
import { nearest, suggestion } from './nearest.ts';

type Issue = z.core.$ZodIssue;

const asPath = (steps: readonly PropertyKey[]): Path =>
  steps.map((step) => (typeof step === 'symbol' ? String(step) : step));

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inside, step) => {
    if (typeof inside !== 'object' || inside === null) return undefined;
    return (inside as Readonly<Record<string | number, unknown>>)[step];
  }, value);
}

/** Plain issues only: of a union the branch that fits best, of a record's key what is wrong with it. */
function flatten(issues: readonly Issue[], above: readonly PropertyKey[] = []): Issue[] {
  return issues.flatMap((issue): Issue[] => {
    const path = [...above, ...issue.path];
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const branches = issue.errors.map((branch) => flatten(branch, path));
      const unfit = (branch: readonly Issue[]): number =>
        branch.reduce((sum, one) => sum + (one.code === 'unrecognized_keys' ? 10 * one.keys.length : 1), 0);
      return branches.toSorted((a, b) => unfit(a) - unfit(b))[0] ?? [];
    }
    if (issue.code === 'invalid_key' || issue.code === 'invalid_element') return flatten(issue.issues, path);
    return [{ ...issue, path }];
  });
}

/**
 * YAML and the environment do not know what a field wants: `id: 7` is text all the same, `${LANES}` may be a number,
 * and a key without a value is an empty section. Only where the schema refused it as it was.
 */
export function fitToSchema(schema: z.ZodType, document: ConfigurationDocument): unknown {
  let value = document.value;
  // A section that was refused as a whole hides what is wrong inside it, so this takes a few rounds.
  for (let round = 0; round < 8; round += 1) {
    const result = schema.safeParse(value);
    if (result.success) return value;
    const before = value;
    for (const issue of flatten(result.error.issues)) {
      if (issue.code !== 'invalid_type') continue;
      const path = asPath(issue.path);
      const fitted = fit(issue.expected, valueAt(value, path), document, path);
      if (fitted !== undefined) value = replaceAt(value, path, fitted);
    }
    if (value === before) return value;
  }
  return value;
}

function fit(expected: string, found: unknown, document: ConfigurationDocument, path: Path): unknown {
  if ((expected === 'object' || expected === 'record') && found === null) return {};
  const origin = document.originOf(path);
  if (origin === undefined || found === null) return undefined;
  if (expected === 'string' && typeof found !== 'string') return origin.source;
  if (typeof found !== 'string' || !origin.fromEnvironment) return undefined;
  if ((expected === 'number' || expected === 'int') && /^-?\d+(\.\d+)?$/.test(found)) return Number(found);
  if (expected === 'boolean' && /^(true|false)$/.test(found)) return found === 'true';
  return undefined;
}

function replaceAt(value: unknown, path: Path, replacement: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return replacement;
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => (index === step ? replaceAt(item, rest, replacement) : item));
  }
  const object = value as Readonly<Record<string, unknown>>;
  return { ...object, [step]: replaceAt(object[String(step)], rest, replacement) };
}

export function findingsOf(issues: readonly Issue[], schema: Schema, document: ConfigurationDocument): Finding[] {
  const plain = flatten(issues);
  // A key that was misspelt is missing, too; once is enough.
  const misspelt = new Set<string>();
  for (const issue of plain) {
    if (issue.code !== 'unrecognized_keys') continue;
    const path = asPath(issue.path);
    misspelt.add(showPath(path));
    for (const key of issue.keys) {
      const meant = nearest(key, keysAt(schema, path));
      if (meant !== undefined) misspelt.add(showPath([...path, meant]));
    }
  }
  return plain.flatMap((issue): Finding[] => {
    const path = asPath(issue.path);
    const isAbsence = issue.code === 'custom' || valueAt(document.value, path) === undefined;
    if (isAbsence && misspelt.has(showPath(path))) return [];
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => {
        const at = [...path, key];
        const section = path.at(-1);
        // How a system is reached is said once for all its parts.
        const belongs = path.length > 1 && typeof section === 'string' && keysAt(schema, [section]).includes(key);
        const text = belongs
          ? `belongs in the section '${section}'. Put it there, at the top level of the file`
          : `is not a known key. ${suggestion(key, keysAt(schema, path))}`;
        return { line: document.lineOf(at), path: at, text };
      });
    }
    const found = valueAt(document.value, path);
    return [{ line: document.lineOf(path), path, text: describe(issue, found, descriptionAt(schema, path)) }];
  });
}

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a section with keys of its own',
  record: 'a section with keys of its own',
  array: 'a list',
};

function noun(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return nouns[typeof value] ?? typeof value;
}

function describe(issue: Issue, found: unknown, description: string | undefined): string {
  switch (issue.code) {
    case 'invalid_type': {
      if (found === undefined)
        return `is missing. Add it${description === undefined ? '' : `: ${firstSentence(description)}`}`;
      return `must be ${nouns[issue.expected] ?? issue.expected}, not ${noun(found)}`;
    }
    case 'too_small':
      return `must ${atLeast(issue.origin, String(issue.minimum))}`;
    case 'too_big':
      return `must ${atMost(issue.origin, String(issue.maximum))}`;
    case 'invalid_value': {
      const values = issue.values.map(String);
      const near = typeof found === 'string' ? nearest(found, values) : undefined;
      return `must be one of: ${values.join(', ')}${near === undefined ? '' : `. Did you mean '${near}'?`}`;
    }
    case 'custom':
    case 'invalid_format':
    case 'invalid_union':
    case 'invalid_key':
    case 'invalid_element':
    case 'not_multiple_of':
    case 'unrecognized_keys':
      return issue.message;
  }
}

function atLeast(origin: string, least: string): string {
  if (origin === 'string') return least === '1' ? 'not be empty' : `have at least ${least} characters`;
  if (origin === 'array') return least === '1' ? 'have at least one entry' : `have at least ${least} entries`;
  return `be at least ${least}`;
}

function atMost(origin: string, most: string): string {
  if (origin === 'string') return `have at most ${most} characters`;
  if (origin === 'array') return `have at most ${most} entries`;
  return `be at most ${most}`;
}

function firstSentence(text: string): string {
  return /^.*?[^.](?=\.(\s|$))/s.exec(text)?.[0] ?? text;
}

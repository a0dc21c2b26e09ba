// Writes docs/configuration.md from the schema, so that the two cannot differ.
import * as z from 'zod';
import type { Adapter } from '../adapters.ts';
import { unwrap, type Schema } from './introspect.ts';
import { configurationSchema } from './schema.ts';

const introduction = `# Configuration

<!-- Made by \`npm run docs:config --workspace @tandem/cli\` from the schema. Do not edit by hand. -->

One YAML file per node, \`tandem.yaml\` unless \`--config\` or \`TANDEM_CONFIG\` names another. The two nodes of a pair differ in \`node\` only. \`tandem validate\` checks a file without starting anything; every mistake is one line: file, line, key, what is wrong and what to do.

- **Environment**: \`\${NAME}\` stands for an environment variable, \`\${NAME:-default}\` for one that may be unset or empty, \`$\${\` for the characters themselves. The value is never read as YAML, so a password may hold anything.
- **Durations** are written with a unit: \`250ms\`, \`1s\`, \`2m\`, \`12h\`, \`7d\`. **Sizes** too: \`512KiB\`, \`64MiB\`.
- **Unknown keys** are refused.
- **Secrets** (tokens, passwords in URLs) are never logged or printed.
- **Timing**: \`link.ping\` must be less than a third of the coordinator's \`sessionTimeout\`, and \`switchover.limit\` at least \`sessionTimeout\`. A node that hears nothing from the coordinator for two thirds of it gives up its authority by itself where a sink has no fence. Servers of ZooKeeper have the last word on how long a session lasts; the rule is checked again with what they say when a node starts.

Annotated example: [config/tandem.postgres.yaml](../config/tandem.postgres.yaml).
`;

interface Row {
  readonly key: string;
  readonly fallback: string;
  readonly values: string;
  readonly description: string;
}

interface Section {
  readonly depth: number;
  readonly title: string;
  readonly text: string;
  readonly rows: readonly Row[];
}

export function configurationReference(adapters: readonly Adapter[]): string {
  const { schema } = unwrap(configurationSchema(adapters));
  const sections = sectionsOf(schema, { title: 'Top level', text: '', depth: 2, path: '' });
  return [introduction, ...sections.map(showSection)].join('\n');
}

interface Place {
  readonly title: string;
  readonly text: string;
  readonly depth: number;
  /** Dotted, of the section. */
  readonly path: string;
}

/** The scalars of a section as a table, then a section for everything below it. */
function sectionsOf(schema: Schema, place: Place): Section[] {
  const rows: Row[] = [];
  const deeper: Section[] = [];
  for (const [key, child] of entries(schema)) {
    const inner = unwrap(child);
    const path = place.path === '' ? key : `${place.path}.${key}`;
    const text = inner.description ?? '';
    const depth = place.depth + (place.path === '' ? 0 : 1);
    if (inner.schema instanceof z.ZodObject) {
      deeper.push(...sectionsOf(inner.schema, { title: `\`${path}\``, text, depth, path }));
    } else if (inner.schema instanceof z.ZodUnion && inner.schema.options.every((option) => isObject(option))) {
      inner.schema.options.forEach((option, index) => {
        const first = entries(option)[0]?.[0] ?? String(index + 1);
        const variant = {
          title: `\`${path}\` with \`${first}\``,
          text: unwrap(option).description ?? text,
          depth,
          path,
        };
        deeper.push(...sectionsOf(option, variant));
      });
    } else if (inner.schema instanceof z.ZodArray && isObject(inner.schema.element)) {
      deeper.push(...sectionsOf(inner.schema.element, { title: `\`${path}[]\``, text, depth, path: `${path}[]` }));
    } else if (inner.schema instanceof z.ZodRecord && isObject(inner.schema.valueType)) {
      const named = `${path}.<name>`;
      deeper.push(...sectionsOf(inner.schema.valueType, { title: `\`${named}\``, text, depth, path: named }));
    } else {
      rows.push(rowOf(key, child));
    }
  }
  return [{ depth: Math.min(place.depth, 4), title: place.title, text: place.text, rows }, ...deeper];
}

function isObject(schema: Schema): boolean {
  return unwrap(schema).schema instanceof z.ZodObject;
}

function entries(schema: Schema): [string, Schema][] {
  const { schema: inner } = unwrap(schema);
  return inner instanceof z.ZodObject ? Object.entries<Schema>(inner.shape) : [];
}

function rowOf(key: string, child: Schema): Row {
  const { schema, optional, fallback, description, bounds } = unwrap(child);
  const shown = typeof fallback === 'string' ? fallback : JSON.stringify(fallback);
  const values = bounds ?? valuesOf(schema);
  return {
    key: `\`${key}\``,
    fallback: fallback === undefined ? (optional ? 'none' : '**needed**') : `\`${shown}\``,
    values,
    description: description ?? '',
  };
}

function valuesOf(schema: Schema): string {
  if (schema instanceof z.ZodNumber) {
    const { minValue, maxValue } = schema;
    return maxValue === null || maxValue >= Number.MAX_SAFE_INTEGER
      ? `${String(minValue ?? 0)} or more`
      : `${String(minValue ?? 0)} to ${String(maxValue)}`;
  }
  if (schema instanceof z.ZodBoolean) return '`true`, `false`';
  if (schema instanceof z.ZodEnum) return schema.options.map((option) => `\`${String(option)}\``).join(', ');
  if (schema instanceof z.ZodArray) return 'list';
  if (schema instanceof z.ZodRecord) return 'names and values';
  return 'text';
}

function showSection({ depth, title, text, rows }: Section): string {
  const parts = [`${'#'.repeat(depth)} ${title}\n`];
  if (text !== '') parts.push(`${text}\n`);
  if (rows.length > 0) parts.push(markdownTable(rows));
  return parts.join('\n');
}

/** Padded as Prettier pads it. */
function markdownTable(rows: readonly Row[]): string {
  const cells = rows.map((row) =>
    [row.key, row.fallback, row.values, row.description].map((cell) =>
      cell.replaceAll('|', '\\|').replaceAll('<', '&lt;'),
    ),
  );
  const heads = ['Key', 'Default', 'Values', 'Meaning'];
  const widths = heads.map((head, column) =>
    Math.max(3, head.length, ...cells.map((row) => (row[column] ?? '').length)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |\n`;
  return [line(heads), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('');
}

// Looks into zod schemas: what lies at a path, its keys, its default. For error texts and the reference page.
import * as z from 'zod';
import type { Path } from './document.ts';

export type Schema = z.core.$ZodType;

export interface Unwrapped {
  readonly schema: Schema;
  /** May be left out: optional or with a default. */
  readonly optional: boolean;
  /** As it would be written in the file. */
  readonly fallback: unknown;
  readonly description: string | undefined;
  /** How far it may go, as text, where the schema says so in its metadata. */
  readonly bounds: string | undefined;
}

function metadataOf(schema: Schema): { description?: string | undefined; bounds?: unknown } {
  return z.globalRegistry.get(schema) ?? {};
}

/** Takes off optional, default and the transforms after the input side; the outermost description counts. */
export function unwrap(schema: Schema): Unwrapped {
  let current = schema;
  let optional = false;
  let fallback: unknown;
  let description: string | undefined;
  let bounds: string | undefined;
  for (;;) {
    const metadata = metadataOf(current);
    description ??= metadata.description;
    if (typeof metadata.bounds === 'string') bounds ??= metadata.bounds;
    if (current instanceof z.ZodOptional || current instanceof z.ZodNullable) {
      optional = true;
      current = current.def.innerType;
    } else if (current instanceof z.ZodPrefault || current instanceof z.ZodDefault) {
      optional = true;
      fallback ??= current.def.defaultValue;
      current = current.def.innerType;
    } else if (current instanceof z.ZodReadonly) {
      current = current.def.innerType;
    } else if (current instanceof z.ZodPipe) {
      current = current.def.in instanceof z.ZodTransform ? current.def.out : current.def.in;
    } else {
      return { schema: current, optional, fallback, description, bounds };
    }
  }
}

/** The schemas of what may lie one step below. */
function below(schema: Schema, step: string | number): Schema[] {
  const { schema: inner } = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    const shape = inner.shape as Readonly<Record<string, Schema>>;
    const child = shape[String(step)];
    return child === undefined ? [] : [child];
  }
  if (inner instanceof z.ZodRecord) return [inner.valueType];
  if (inner instanceof z.ZodArray) return [inner.element];
  if (inner instanceof z.ZodUnion) return inner.options.flatMap((option) => below(option, step));
  return [];
}

export function schemasAt(schema: Schema, path: Path): Schema[] {
  return path.reduce<Schema[]>((schemas, step) => schemas.flatMap((one) => below(one, step)), [schema]);
}

/** The keys that an object at this path may have. */
export function keysAt(schema: Schema, path: Path): string[] {
  const keys = schemasAt(schema, path).flatMap((found) => {
    const { schema: inner } = unwrap(found);
    const options = inner instanceof z.ZodUnion ? inner.options.map((option) => unwrap(option).schema) : [inner];
    return options.flatMap((option) => (option instanceof z.ZodObject ? Object.keys(option.shape as object) : []));
  });
  return [...new Set(keys)];
}

export function descriptionAt(schema: Schema, path: Path): string | undefined {
  return schemasAt(schema, path)
    .map((found) => unwrap(found).description)
    .find((description) => description !== undefined);
}

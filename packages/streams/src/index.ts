// What an app author imports, and what a lane runs.
export type { StandardSchemaV1 } from '@standard-schema/spec';
export { compileApp } from './compile.ts';
export {
  type AggregateOptions,
  type App,
  type AppDefinition,
  defineApp,
  type EmitOptions,
  type Flow,
  type Formats,
  type Grouped,
  type RecordContext,
  type Reduce,
  type SinkFor,
  type Stream,
  type Table,
  type WindowCount,
  type Windowed,
  type WindowValue,
} from './dsl.ts';
export type { Duration } from './duration.ts';
export { InputError, type InputErrorCode, TopologyError, type TopologyErrorCode } from './errors.ts';
export {
  type AnyFormat,
  type Codec,
  encoded,
  type Format,
  type FormatOptions,
  json,
  type KeyFormat,
  type KeyOf,
  type OnInvalid,
  raw,
  text,
} from './format.ts';
export type * from './runtime.ts';
export {
  type RawTestRecord,
  testDriver,
  type TestDriver,
  type TestDriverOptions,
  type TestOutput,
  type TestRecord,
} from './test-driver.ts';
export { tumbling, type TumblingWindows } from './windows.ts';

// What a node's control code says about itself; a pino logger is one.

type Say = (fields: Readonly<Record<string, unknown>>, message: string) => void;

export interface NodeLog {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
}

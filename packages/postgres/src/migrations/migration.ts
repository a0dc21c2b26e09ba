// One numbered step of the schema.

export interface Migration {
  /** `0001-subject`; applied in the order of the list. */
  readonly id: string;
  /** Runs with the schema first in search_path, so its own names stand alone. Never changed once released. */
  readonly sql: string;
}

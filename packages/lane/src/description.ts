// What is known of an app once its bundle has been loaded in a worker; user code is never loaded on the main thread.
import type { AppName } from '@tandem/pair';

export interface AppDescription {
  readonly app: AppName;
  readonly version: number;
  readonly topologyHash: string;
  readonly sources: readonly string[];
  readonly sinks: readonly string[];
}

/** One JavaScript file that holds lane, adapters and app. */
export interface AppBundle {
  readonly path: string;
  /** SHA-256 of its code, source map left out, hex: nodes of a pair must run the same code. */
  readonly hash: string;
}

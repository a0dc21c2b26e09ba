// Finds the app among what a module exports.
import { TandemError } from '@tandem/ports';
import type { App } from '@tandem/streams';

/** The named one, else the only one. @throws TandemError (user) `app-export`. */
export function appOf(exported: Readonly<Record<string, unknown>>, exportName: string | undefined): App {
  if (exportName !== undefined) {
    const app = exported[exportName];
    if (isApp(app)) return app;
    throw wrong(
      exportName in exported
        ? `the module's export '${exportName}' is not an app; make it with defineApp`
        : `the module has no export '${exportName}'; it exports ${listed(Object.keys(exported))}`,
    );
  }
  const names = Object.keys(exported).filter((name) => isApp(exported[name]));
  // A default export is often one of the named ones again.
  const apps = new Set(names.map((name) => exported[name] as App));
  const [app, ...others] = apps;
  if (app === undefined)
    throw wrong(
      `the module exports no app; it exports ${listed(Object.keys(exported))}: export one made with defineApp`,
    );
  if (others.length > 0) throw wrong(`the module exports several apps: ${listed(names)}; say which one with 'export'`);
  return app;
}

function isApp(value: unknown): value is App {
  if (typeof value !== 'object' || value === null) return false;
  const { name, version, sources, sinks, build } = value as Partial<Record<keyof App, unknown>>;
  return (
    typeof name === 'string' &&
    typeof version === 'number' &&
    typeof sources === 'object' &&
    typeof sinks === 'object' &&
    typeof build === 'function'
  );
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ');
}

function wrong(reason: string): TandemError {
  return new TandemError('app-export', reason, { blame: 'user' });
}

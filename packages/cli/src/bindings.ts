// Checks that what an app declares and what the configuration connects it to are the same names.
import type { AppDescription } from '@tandem/lane';
import { suggestion } from './configuration/nearest.ts';
import type { AppConfiguration, Configuration } from './configuration/load.ts';

const kinds = ['source', 'sink'] as const;

/** One line per mistake, each with its place in the file. */
export function bindingMistakes(configuration: Configuration, index: number, description: AppDescription): string[] {
  const app = configuration.apps[index];
  return app === undefined ? [] : kinds.flatMap((kind) => mistakesOf(kind, configuration, index, app, description));
}

function mistakesOf(
  kind: (typeof kinds)[number],
  configuration: Configuration,
  index: number,
  app: AppConfiguration,
  description: AppDescription,
): string[] {
  const section = `${kind}s` as const;
  const declared = description[section];
  const bound = Object.keys(app[section]);
  const at = ['apps', index, section];
  const unknown = bound.filter((name) => !declared.includes(name));
  const unbound = declared.filter((name) => !bound.includes(name));
  return [
    ...unknown.map((name) => {
      // A name that is still to be bound is the likelier one to have been meant.
      const todo = suggestion(name, unbound.length > 0 ? unbound : declared);
      return configuration.mistake([...at, name], `app '${description.app}' has no ${kind} of this name. ${todo}`);
    }),
    ...unbound.map((name) =>
      configuration.mistake(
        at,
        `${kind} '${name}' of app '${description.app}' is not connected. Add it: ${name}: { ... }`,
      ),
    ),
  ];
}

// Some coordinators have the last word on how long a session lasts. What they say decides whether the timing budget
// holds, so they are asked before a node starts.
import { TandemError } from '@tandem/ports';
import { showDuration } from '@tandem/ports/configuration';
import { checkBudget } from './configuration/budget.ts';
import type { Configuration } from './configuration/load.ts';
import { adapterNamed, contextOf } from './systems.ts';

/**
 * A line for people where sessions do not last as long as the configuration asks for.
 * @throws TandemError `configuration` (user) where the budget does not hold with what the coordinator gives; as `reach`.
 */
export async function negotiateTiming(configuration: Configuration): Promise<string | undefined> {
  const { adapter, options } = configuration.coordinator;
  const coordinator = adapterNamed(adapter).coordinator;
  const asked_ms = coordinator?.sessionTimeout_ms(options);
  const given_ms = await coordinator?.negotiate?.(contextOf(configuration, adapter), options);
  if (asked_ms === undefined || given_ms === undefined || given_ms === asked_ms) return undefined;
  const bound = given_ms > asked_ms ? 'less' : 'more';
  const why = `the server allows no ${bound} than ${showDuration(given_ms)}, ${showDuration(asked_ms)} was asked for`;
  const found = checkBudget({
    ping_ms: configuration.link.ping_ms,
    sessionTimeout_ms: given_ms,
    switchoverLimit_ms: configuration.switchover.limit_ms,
  });
  if (found.length > 0) {
    const lines = found.map(({ path, text }) => configuration.mistake(path, `${text} (${why})`));
    throw new TandemError('configuration', lines.join('\n'), { blame: 'user' });
  }
  return `sessions last ${showDuration(given_ms)}: ${why}`;
}

// The timing budget, in one place: what must be shorter than what, for a failover to come neither late nor wrongly.
import { showDuration } from '@tandem/ports/configuration';
import type { Adapter } from '../adapters.ts';
import type { ConfigurationDocument, Finding, Path } from './document.ts';
import type { CheckedSections } from './schema.ts';

export interface TimingBudget {
  readonly ping_ms: number;
  /** The one in force, where it has been negotiated. */
  readonly sessionTimeout_ms: number;
  readonly switchoverLimit_ms: number;
}

/**
 * ping < sessionTimeout / 3, so that two pings may be lost before a link counts as silent;
 * which also keeps two of them within the self-fence deadline, 2/3 sessionTimeout, a third of which is left for pauses;
 * switchover.limit >= sessionTimeout, so that a successor that hesitates is not taken for one that refused.
 */
export function checkBudget(budget: TimingBudget): { readonly path: Path; readonly text: string }[] {
  const { ping_ms, sessionTimeout_ms, switchoverLimit_ms } = budget;
  const found: { path: Path; text: string }[] = [];
  if (ping_ms >= sessionTimeout_ms / 3) {
    const most = showDuration(Math.ceil(sessionTimeout_ms / 3) - 1);
    const text = `${showDuration(ping_ms)} is too long for a session time-out of ${showDuration(sessionTimeout_ms)}. Set it to ${most} or less, or raise the coordinator's sessionTimeout`;
    found.push({ path: ['link', 'ping'], text });
  }
  if (switchoverLimit_ms < sessionTimeout_ms) {
    const text = `${showDuration(switchoverLimit_ms)} is shorter than the session time-out of ${showDuration(sessionTimeout_ms)}. Set it to at least that`;
    found.push({ path: ['switchover', 'limit'], text });
  }
  return found;
}

const longestPing_ms = 250;

/** Where none is configured. */
export function pingOf(sections: CheckedSections, adapters: readonly Adapter[]): number {
  const sessionTimeout_ms = sessionTimeoutOf(sections, adapters) ?? Infinity;
  return sections.link.ping ?? Math.min(longestPing_ms, Math.floor(sessionTimeout_ms / 4));
}

function sessionTimeoutOf({ coordinator }: CheckedSections, adapters: readonly Adapter[]): number | undefined {
  return adapters.find(({ name }) => name === coordinator.adapter)?.coordinator?.sessionTimeout_ms(coordinator.options);
}

/** Within the grace an app is to be found equal: it takes a digest at the end of an input that rests. */
export function graceFindings({ stateSync, digest }: CheckedSections, document: ConfigurationDocument): Finding[] {
  if (digest.every === 0 || stateSync.grace >= digest.interval) return [];
  const path: Path = ['stateSync', 'grace'];
  const text = `${showDuration(stateSync.grace)} is shorter than digest.interval (${showDuration(digest.interval)}), after which the first digest may be taken. Set it to at least that`;
  return [{ line: document.lineOf(path), path, text }];
}

export function budgetFindings(
  sections: CheckedSections,
  adapters: readonly Adapter[],
  document: ConfigurationDocument,
): Finding[] {
  const sessionTimeout_ms = sessionTimeoutOf(sections, adapters);
  if (sessionTimeout_ms === undefined) return [];
  return checkBudget({
    ping_ms: pingOf(sections, adapters),
    sessionTimeout_ms,
    switchoverLimit_ms: sections.switchover.limit,
  }).map((found) => ({ ...found, line: document.lineOf(found.path) }));
}

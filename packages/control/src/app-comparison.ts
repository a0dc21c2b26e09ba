// What follows when an app's digests here are not those of the active, or cannot be compared: it is said, and the role
// machine has its state put in place anew.
import type { AppName, Member, TaskId } from '@tandem/pair';
import { AppDigests } from './app-digests.ts';
import type { AppHost } from './app-host.ts';

export interface ComparedApp extends AppHost {
  readonly name: AppName;
  tasks(): readonly TaskId[];
  isVouchedFor(): boolean;
  hasFailedOn(peer: Member): boolean;
  /** Nothing is served from its state any more, unless the role machine still vouches for it. */
  giveUpState(reason: string): void;
}

/** Named in a reason; the log has the rest. */
const namedTasks = 3;

export function compareDigests(app: ComparedApp): AppDigests {
  const { name, options } = app;
  const { clock, log, stateSync } = options;
  return new AppDigests({
    clock,
    grace_ms: stateSync.grace_ms,
    tasks: () => app.tasks(),
    isToBeCompared: () => app.isVouchedFor() && app.isMeasured(name),
    hearsActive: () => {
      const active = app.linkedActive();
      return active !== undefined && !app.hasFailedOn(active);
    },
    onDiverged: (divergence) => {
      const { task, position, what } = divergence;
      log.error({ app: name, ...divergence }, "an app differs from the active's; it gets its state anew");
      const reason = `its ${what} at position ${position} of ${task} differed from the active's; it gets its state anew`;
      app.raise({ type: 'app-diverged', at_ms: clock.now_ms(), app: name, reason });
      app.giveUpState(reason);
    },
    onUnverified: (tasks) => {
      const some = `${tasks.slice(0, namedTasks).join(', ')}${tasks.length > namedTasks ? ', ...' : ''}`;
      const reason = `no position of ${some} was met at which it could be compared with the active's; it gets its state once more`;
      log.warn({ app: name, tasks: tasks.length, reason }, 'an app could not be verified');
      app.raise({ type: 'app-unverified', at_ms: clock.now_ms(), app: name, reason });
      app.giveUpState(reason);
    },
  });
}

import { describeSnapshotStore } from '@tandem/ports/contract';
import { MemoryRevisions } from '@tandem/simulator';

describeSnapshotStore('memory', () => {
  const revisions = new MemoryRevisions();
  const clock = { now_ms: () => 0, wall_ms: () => Date.now(), after: () => ({ cancel: () => undefined }) };
  return Promise.resolve({
    create: () => revisions.open(clock),
    corrupt: (app, revision) => {
      revisions.corrupt(app, revision);
      return Promise.resolve();
    },
    dispose: () => Promise.resolve(),
  });
});

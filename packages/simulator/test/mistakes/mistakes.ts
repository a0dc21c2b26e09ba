// Mistakes that the simulator's checker has to notice, each a change of the source as it is bundled for the simulation
// and nowhere else. What they replace has to be there exactly once, so that none goes out of date unnoticed.

export interface Change {
  /** Below `packages/`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mistake {
  readonly name: string;
  readonly changes: readonly Change[];
}

const driver = 'lane/src/publisher-driver.ts';
const opening = 'lane/src/publisher-opening.ts';
const snapshot = 'lane/src/snapshot-taking.ts';
const processor = 'lane/src/processor.ts';

export const mistakes: readonly Mistake[] = [
  {
    name: 'grants a claim whatever epoch it expects',
    changes: [
      { file: 'simulator/src/coordinator.ts', find: '    if (this.#epoch !== expected) return false;\n', replace: '' },
    ],
  },
  {
    name: 'ends a batch in the midst of an input',
    changes: [{ file: 'pair/src/queue.ts', find: 'if (position !== input) {', replace: 'if (input !== -1) {' }],
  },
  {
    name: 'trims the output at the published position too',
    changes: [{ file: 'pair/src/queue.ts', find: '>= to) return;', replace: '> to) return;' }],
  },
  {
    name: 'sets the published position before it publishes',
    changes: [
      {
        file: driver,
        find: 'const outcome = await publisher.publish(batch)',
        replace: `const publishing = publisher.publish(batch);
          for (const { task, to } of batch.moves) this.#tasks.publishedTo(task, to);
          this.#tasks.flushReport();
          const outcome = await publishing`,
      },
    ],
  },
  {
    name: 'drops the oldest outputs of a full queue',
    changes: [
      {
        file: processor,
        find: `      if (budget.isFull()) {
        this.#setPaused(true);
        return false;
      }`,
        replace: `      if (budget.isFull()) {
        for (const { tasks } of this.#sources) {
          for (const task of tasks) for (const queue of task?.queues ?? []) queue.trim(queue.end);
        }
      }`,
      },
    ],
  },
  {
    name: 'takes the position of a snapshot after its state',
    changes: [
      {
        file: snapshot,
        find: 'const open = new OpenTask(task);',
        replace: `this.early ??= new OpenTask(task);
        this.turns = (this.turns ?? 0) + 1;
        if (this.turns < 8) {
          this.#next--;
          return;
        }
        this.turns = 0;
        const open = this.early;
        this.early = undefined;`,
      },
      {
        file: snapshot,
        find: 'if (this.#open === undefined) this.#begin();',
        replace: `if (this.#open === undefined) {
          this.#begin();
          if (this.early !== undefined) return 'more';
        }`,
      },
    ],
  },
  {
    name: 'takes a snapshot without the outputs that are not published',
    changes: [
      { file: snapshot, find: '      this.#writeQueueChunk(open, chunk);\n', replace: '' },
      { file: snapshot, find: 'size_bytes += chunk.length;', replace: '' },
    ],
  },
  {
    name: 'stores no more revisions once one could not be stored',
    changes: [
      {
        file: 'control/src/persistence.ts',
        find: 'next_ms = Math.min(retry_ms, next_ms);',
        replace: 'if (next_ms > 0) return;',
      },
    ],
  },
  {
    name: 'publishes live while it drains',
    changes: [
      {
        file: driver,
        find: 'const backlog = queues.map((queue) => queue.end);',
        replace: `const backlog = queues.map((queue) => queue.end);
          if (run.twice === undefined) {
            run.twice = true;
            void this.#publishWhileOpen(run, publisher, retry);
          }`,
      },
    ],
  },
  {
    name: 'has no fence',
    changes: [
      {
        file: 'simulator/src/publisher.ts',
        find: 'if (held?.epoch !== epoch || held.opening !== opening || !fits) {',
        replace: 'if (false) {',
      },
    ],
  },
  {
    name: 'publishes without having its epoch verified after the fence',
    changes: [
      {
        file: opening,
        find: 'const isVerified = await verification.ask(run, storedEpoch);',
        replace: 'const isVerified = true;',
      },
      { file: driver, find: 'if (!isStopped(run)) await this.#verification.ask(run, run.epoch);', replace: '' },
    ],
  },
  {
    name: 'gives up a publisher for good when its opening fails',
    changes: [
      {
        file: driver,
        find: 'switch (end.outcome) {',
        replace: `if (opened.outcome === 'failed') return;
          switch (end.outcome) {`,
      },
    ],
  },
  {
    name: 'begins at position 0 after a restore',
    changes: [
      {
        file: 'lane/src/restoring.ts',
        find: 'this.#target.createTask(identity, positionFromText(begin.position))',
        replace: "this.#target.createTask(identity, positionFromText('0'))",
      },
    ],
  },
  {
    name: 'opens no app before every app can be opened',
    changes: [
      {
        file: 'pair/src/apps.ts',
        find: "if (app.output === 'closed' && isVouchedFor(app)) open(turn, name, epoch);",
        replace: `const all = [...eachApp(turn)].every(([, other]) => isVouchedFor(other));
          if (app.output === 'closed' && all) open(turn, name, epoch);`,
      },
    ],
  },
  {
    // Sinks that compare where a batch begins would refuse what comes of it; not every sink does.
    name: 'reads the published positions back before the fence',
    changes: [
      {
        file: 'simulator/src/publisher.ts',
        find: 'this.#system.knowsEpochs || this.mayPublish(batch)',
        replace: 'true',
      },
      {
        file: 'simulator/src/publisher.ts',
        find: '!this.knowsEpochs || batch.moves.every((move) => positions.get(move.task) === move.from)',
        replace: 'true',
      },
      {
        file: opening,
        find: 'const opened = await publisher.open(run.epoch, run.initialise);',
        replace: `const early = await publisher.readBack();
          const opened = await publisher.open(run.epoch, run.initialise);`,
      },
      {
        file: opening,
        find: "opened.outcome === 'opened' ? publisher.readBack() : undefined;",
        replace: `opened.outcome !== 'opened'
          ? undefined
          : early.positions.size === 0
            ? publisher.readBack()
            : Promise.resolve(early);`,
      },
    ],
  },
  {
    name: 'compares digests of different positions',
    changes: [
      {
        file: 'control/src/app-digests.ts',
        find: 'return this.#byTask.get(task)?.get(position);',
        replace: 'return [...(this.#byTask.get(task)?.values() ?? [])].at(-1);',
      },
    ],
  },
  {
    name: 'compares no digests',
    changes: [
      {
        file: 'control/src/app-digests.ts',
        find: 'if (divergence === undefined) {',
        replace: 'if (divergence !== null) {',
      },
    ],
  },
  {
    name: 'reads on where it was before its state was replaced',
    changes: [
      {
        file: 'lane/src/connected-lane.ts',
        find: 'own.map((task) => [task.identity.partition, task.position])',
        replace: 'own.map((task) => [task.identity.partition, 0])',
      },
    ],
  },
  {
    name: 'publishes again what a replay after a restart puts out',
    changes: [
      {
        file: 'pair/src/queue.ts',
        find: 'if (position < this.headPosition) this.undoInput();\n      else this.keepInput(this.inputSegment, position);',
        replace: 'this.keepInput(this.inputSegment, position);',
      },
    ],
  },
  {
    name: 'does not look at its authority again after a pause',
    changes: [
      {
        file: 'simulator/src/unfenced-publisher.ts',
        find: ' || this.#wire.clock.now_ms() >= this.#until_ms',
        replace: '',
      },
    ],
  },
  {
    name: 'counts authority from the answer, for a whole session time-out',
    changes: [
      {
        file: 'control/src/authority.ts',
        find: 'this.#options.tell(sentAt_ms + (coordinator.sessionTimeout_ms * 2) / 3)',
        replace: 'this.#options.tell(clock.now_ms() + coordinator.sessionTimeout_ms)',
      },
    ],
  },
];

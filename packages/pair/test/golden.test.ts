// Scenarios as transcripts: the files in golden/ are what happens, diffed as text. UPDATE_GOLDEN=1 writes them anew.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { step } from '@tandem/pair';
import { ToyWorld, type WorldOptions } from './toy/world.ts';

const folder = join(__dirname, 'golden');

function world(options: Partial<WorldOptions> = {}): ToyWorld {
  return new ToyWorld({
    nodes: ['a', 'b'],
    apps: ['orders'],
    fence: 'by-epoch',
    liveSync: true,
    seed: undefined,
    step,
    laneMistake: 'none',
    ...options,
  });
}

function isRole(toy: ToyWorld, node: string, role: string): () => boolean {
  return () => toy.process(node).state.role === role;
}

/** a is active, b passive, both in sync. */
function pair(options: Partial<WorldOptions> = {}): ToyWorld {
  const toy = world(options);
  toy.addInputs(10);
  toy.start('a');
  toy.runUntil('a becomes active', isRole(toy, 'a', 'active'));
  toy.start('b');
  toy.runUntil('b is in sync', () => toy.process('b').appsInSync().length === toy.options.apps.length);
  toy.runFor(500);
  return toy;
}

/** Everything that came in has gone out. */
function settle(toy: ToyWorld): void {
  toy.runUntil('all is published', () => [...toy.logs].every(([app, size]) => toy.sink(app).published === size));
  toy.runFor(200);
}

function part(toy: ToyWorld, title: string): void {
  toy.transcript.push('', `# ${title}`);
}

const scenarios: Readonly<Record<string, () => ToyWorld>> = {
  'first start': () => {
    const toy = world();
    toy.addInputs(10);
    toy.start('a');
    toy.runUntil('a becomes active', isRole(toy, 'a', 'active'));
    settle(toy);
    return toy;
  },
  'both start at once': () => {
    const toy = world();
    toy.addInputs(10);
    toy.start('a');
    toy.start('b');
    toy.runUntil('one is active, one passive and in sync', () =>
      ['a', 'b'].every((node) => toy.process(node).appsInSync().length === 1),
    );
    settle(toy);
    return toy;
  },
  join: () => pair(),
  'join without live sync': () => pair({ liveSync: false }),
  crash: () => {
    const toy = pair();
    part(toy, 'a is killed with outputs not yet published');
    toy.addInputs(40);
    toy.runFor(30);
    toy.process('a').kill();
    toy.runUntil('b becomes active', isRole(toy, 'b', 'active'));
    settle(toy);
    part(toy, 'a comes back');
    toy.start('a');
    toy.runUntil('a is in sync', () => toy.process('a').appsInSync().length === 1);
    return toy;
  },
  switchover: () => {
    const toy = pair();
    part(toy, 'asked of a');
    toy.process('a').dispatch({ type: 'switchover-requested', request: 'r1' });
    toy.runUntil('b becomes active', isRole(toy, 'b', 'active'));
    toy.addInputs(5);
    settle(toy);
    part(toy, 'asked of the passive');
    toy.process('a').dispatch({ type: 'switchover-requested', request: 'r2' });
    part(toy, 'a stop hands over too');
    toy.process('b').dispatch({ type: 'stop-requested' });
    toy.runUntil('a becomes active', isRole(toy, 'a', 'active'));
    toy.runFor(200);
    part(toy, 'a stops with nobody to hand over to');
    toy.process('a').dispatch({ type: 'stop-requested' });
    toy.runFor(200);
    return toy;
  },
  'both die': () => {
    const toy = pair();
    toy.addInputs(20);
    toy.runFor(600);
    part(toy, 'both are killed, with inputs since the last revision');
    toy.addInputs(20);
    toy.runFor(60);
    toy.process('b').kill();
    toy.process('a').kill();
    toy.runFor(2000);
    part(toy, 'b is first back');
    toy.start('b');
    toy.runUntil('b becomes active', isRole(toy, 'b', 'active'));
    settle(toy);
    return toy;
  },
  'fenced zombie': () => {
    const toy = pair();
    part(toy, 'a hangs');
    toy.process('a').pause();
    toy.addInputs(20);
    toy.runUntil('b becomes active', isRole(toy, 'b', 'active'));
    settle(toy);
    part(toy, 'a wakes and believes to be active');
    toy.addInputs(5);
    toy.process('a').resume();
    toy.runUntil('a is passive', isRole(toy, 'a', 'passive'));
    settle(toy);
    return toy;
  },
  'late opener': () => {
    const toy = pair({ fence: 'by-open' });
    part(toy, 'the app of a fails; a hangs before it is back, and no view reaches it');
    toy.coordinator.setWatched('a', false);
    toy.process('a').failApp('orders', true);
    toy.process('a').pause();
    toy.addInputs(20);
    toy.runUntil('b becomes active', isRole(toy, 'b', 'active'));
    settle(toy);
    part(toy, 'a wakes: its opening fences b, the coordinator makes it leave, b opens again');
    toy.process('a').resume();
    toy.runUntil('a leaves', () => toy.process('a').state.held === undefined);
    toy.coordinator.setWatched('a', true);
    toy.addInputs(5);
    settle(toy);
    return toy;
  },
  'claim answer lost': () => {
    const toy = pair();
    part(toy, 'a is killed; the answer to the claim of b gets lost on its way');
    const { coordinator } = toy;
    toy.process('a').kill();
    toy.runUntil('b claims', () => toy.process('b').state.claim !== undefined);
    coordinator.setCut('b', true);
    toy.runFor(300);
    coordinator.setCut('b', false);
    toy.runUntil('b becomes active', isRole(toy, 'b', 'active'));
    settle(toy);
    return toy;
  },
  'link cut': () => {
    const toy = pair();
    part(toy, 'the link is cut, both are alive');
    toy.links.setCut('b', true);
    toy.addInputs(20);
    toy.runFor(2500);
    toy.links.setCut('b', false);
    settle(toy);
    return toy;
  },
  'session lost while linked': () => {
    const toy = pair();
    part(toy, 'the coordinator forgets the session of a');
    toy.coordinator.expire('a');
    toy.addInputs(10);
    settle(toy);
    return toy;
  },
  'coordinator gone': () => {
    const toy = pair();
    part(toy, 'the coordinator goes away: a goes on');
    toy.coordinator.isDown = true;
    toy.addInputs(20);
    toy.runFor(2000);
    settle(toy);
    part(toy, 'a is killed meanwhile: nobody takes over before the coordinator is back');
    toy.process('a').kill();
    toy.addInputs(20);
    toy.runFor(2000);
    part(toy, 'the coordinator is back');
    toy.coordinator.isDown = false;
    settle(toy);
    return toy;
  },
  'passive diverged': () => {
    const toy = pair();
    toy.runFor(600);
    part(toy, 'b differs: it gets its state anew');
    toy.process('b').diverge('orders');
    toy.addInputs(20);
    toy.runUntil('b is in sync', () => toy.process('b').appsInSync().length === 1);
    settle(toy);
    part(toy, 'b differs again, soon after: it waits');
    toy.process('b').diverge('orders');
    toy.runFor(300);
    part(toy, 'a is killed meanwhile: b takes its state from the store before it takes over');
    toy.addInputs(20);
    toy.process('a').kill();
    toy.runUntil('b becomes active', isRole(toy, 'b', 'active'));
    settle(toy);
    return toy;
  },
  'one app failing alone': () => {
    const toy = pair({ apps: ['orders', 'alerts'] });
    part(toy, 'alerts fails on a and comes back');
    toy.process('a').failApp('alerts', true);
    toy.addInputs(20);
    settle(toy);
    part(toy, 'alerts fails on a for good: b takes over');
    toy.process('a').failApp('alerts', false);
    toy.addInputs(20);
    settle(toy);
    return toy;
  },
};

describe('the protocol, as transcripts', () => {
  it.each(Object.keys(scenarios))('%s', (name) => {
    const toy = scenarios[name]?.();
    const text = `${toy?.transcript.join('\n') ?? ''}\n`;
    const file = join(folder, `${name.replaceAll(' ', '-')}.txt`);
    if (process.env['UPDATE_GOLDEN'] === '1' || !existsSync(file)) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(file, text);
    }
    expect(text).toBe(readFileSync(file, 'utf8'));
  });
});

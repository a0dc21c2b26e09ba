// A node that has just been started.
import { initialState } from '@tandem/pair';
import { settings } from './scene.ts';

test('knows its own name and its apps, and nothing else', () => {
  // Whatever is undefined counts as not there.
  expect(initialState(settings, ['orders', 'alerts'])).toEqual({
    role: 'joining',
    self: { node: 'a', incarnation: 'a1' },
    coordinator: 'reachable',
    apps: { orders: expect.anything() as unknown, alerts: expect.anything() as unknown },
    peerInSync: [],
    stopping: false,
    verifications: {},
  });
});

test('has apps whose lanes are not up, without state and publishers', () => {
  expect(initialState(settings, ['orders']).apps['orders']).toEqual({
    condition: 'loading',
    output: 'closed',
    described: false,
    publishers: [],
    livePublishers: [],
    diverged: false,
    handOver: false,
  });
});

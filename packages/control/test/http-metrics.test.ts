import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createMetrics, type AppMetricsInput, type MetricsInput } from '../src/metrics.ts';
import { appReport } from './http-fixture.ts';

const app: AppMetricsInput = {
  app: 'orders',
  condition: 'replaying',
  output: 'opening',
  inSync: false,
  diverged: true,
  digests: { taken: 9, compared: 8, divergences: 1 },
  laneRestarts: 2,
  lanes: [
    undefined,
    {
      tasks: appReport.tasks,
      metrics: {
        inputs: 100,
        outputs: 90,
        published: 80,
        publishCalls: 7,
        publishFailures: 1,
        stateEntries: 12,
        heap_bytes: 4096,
        longestPause_ms: 12.5,
        trimLag: { counts: [3, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], sum_ms: 5007.5 },
      },
      troubles: ['the sink does not answer'],
      inSync: false,
    },
  ],
  snapshots: { taken: 3, failed: 1, lastTook_ms: 250 },
  revisions: { stored: 2, failed: 1, last: { revision: 8, size_bytes: 900, at_ms: 1_700_000_000_000 } },
};

const input: MetricsInput = {
  pair: 'shop',
  node: 'a',
  incarnation: 'a-1',
  role: 'promoting',
  epoch: 4,
  coordinatorConnected: true,
  linkOpen: false,
  promotions: 2,
  failovers: 1,
  apps: [app],
};

async function scraped(given: MetricsInput = input): Promise<readonly string[]> {
  const { body } = await createMetrics(() => given).scrape();
  return body.split('\n').filter((line) => line.startsWith('tandem_'));
}

describe('metrics', () => {
  it('say the state of the node', async () => {
    const lines = await scraped();
    expect(lines).toEqual(
      expect.arrayContaining([
        'tandem_node_info{pair="shop",node="a",incarnation="a-1"} 1',
        'tandem_role{role="promoting"} 1',
        'tandem_role{role="active"} 0',
        'tandem_epoch 4',
        'tandem_coordinator_connected 1',
        'tandem_link_open 0',
        'tandem_promotions_total 2',
        'tandem_failovers_total 1',
      ]),
    );
  });

  it('say the state of an app, its tasks and its lanes, in seconds and bytes', async () => {
    const lines = await scraped();
    expect(lines).toEqual(
      expect.arrayContaining([
        'tandem_app_condition{app="orders",condition="replaying"} 1',
        'tandem_app_condition{app="orders",condition="in-sync"} 0',
        'tandem_app_output{app="orders",output="opening"} 1',
        'tandem_app_in_sync{app="orders"} 0',
        'tandem_app_diverged{app="orders"} 1',
        'tandem_digests_total{app="orders"} 9',
        'tandem_digests_compared_total{app="orders"} 8',
        'tandem_divergences_total{app="orders"} 1',
        'tandem_lane_restarts_total{app="orders"} 2',
        'tandem_snapshot_take_seconds{app="orders"} 0.25',
        'tandem_revision_failures_total{app="orders"} 1',
        'tandem_revision_size_bytes{app="orders"} 900',
        'tandem_revision_timestamp_seconds{app="orders"} 1700000000',
        'tandem_task_position{app="orders",task="orders/0"} 120',
        'tandem_task_end{app="orders",task="orders/0"} 125',
        'tandem_task_lag_inputs{app="orders",task="orders/0"} 5',
        'tandem_task_published_position{app="orders",task="orders/0",publisher="postgres"} 118',
        'tandem_queue_outputs{app="orders",task="orders/0",sink="totals"} 2',
        'tandem_queue_bytes{app="orders",task="orders/0"} 64',
        'tandem_inputs_total{app="orders",lane="1"} 100',
        'tandem_publish_failures_total{app="orders",lane="1"} 1',
        'tandem_lane_longest_pause_seconds{app="orders",lane="1"} 0.0125',
        'tandem_trim_lag_seconds_bucket{app="orders",lane="1",le="0.001"} 3',
        'tandem_trim_lag_seconds_bucket{app="orders",lane="1",le="0.005"} 5',
        'tandem_trim_lag_seconds_bucket{app="orders",lane="1",le="5"} 5',
        'tandem_trim_lag_seconds_bucket{app="orders",lane="1",le="+Inf"} 6',
        'tandem_trim_lag_seconds_sum{app="orders",lane="1"} 5.0075',
        'tandem_trim_lag_seconds_count{app="orders",lane="1"} 6',
        'tandem_lane_troubles{app="orders",lane="1"} 1',
      ]),
    );
  });

  it('leave out what is not known, and lanes that have not reported', async () => {
    const lines = await scraped({
      ...input,
      apps: [
        {
          ...app,
          lanes: app.lanes.map(
            (lane) => lane && { ...lane, tasks: lane.tasks.map((task) => ({ ...task, end: null })) },
          ),
          snapshots: { taken: 0, failed: 0, lastTook_ms: undefined },
          revisions: { stored: 0, failed: 0, last: undefined },
        },
      ],
    });
    expect(
      lines.filter((line) => /task_end|take_seconds|revision_(number|size|timestamp)|lane="0"/.test(line)),
    ).toEqual([]);
  });

  it('forget an app that is gone and count no scrape twice', async () => {
    let given = input;
    const metrics = createMetrics(() => given);
    await metrics.scrape();
    const again = await metrics.scrape();
    expect(again.body).toContain('tandem_failovers_total 1\n');
    given = { ...input, apps: [] };
    expect((await metrics.scrape()).body).not.toContain('orders');
  });

  it('of two nodes in one process stay apart', async () => {
    const [first, second] = [createMetrics(() => input), createMetrics(() => ({ ...input, epoch: 9 }))];
    expect((await first.scrape()).body).toContain('tandem_epoch 4\n');
    expect((await second.scrape()).body).toContain('tandem_epoch 9\n');
  });

  it('share one look at the node between scrapes that overlap, and recover from one that failed', async () => {
    let looks = 0;
    let fail = true;
    const metrics = createMetrics(() => {
      looks += 1;
      return fail ? Promise.reject(new Error('no answer')) : Promise.resolve(input);
    });
    await expect(Promise.all([metrics.scrape(), metrics.scrape()])).rejects.toThrow('no answer');
    expect(looks).toBe(1);
    fail = false;
    expect((await metrics.scrape()).body).toContain('tandem_epoch 4\n');
  });

  it('come with those of the process', async () => {
    const { body, contentType } = await createMetrics(() => input).scrape();
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toMatch(/^process_cpu_seconds_total /m);
    expect(body).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
  });

  it('are all described in docs/metrics.md, which describes no others', async () => {
    const page = await readFile(join(__dirname, '../../../docs/metrics.md'), 'utf8');
    const described = new Set([...page.matchAll(/^\| `(tandem_\w+)`/gm)].map((match) => match[1]));
    expect([...described].sort()).toEqual([...createMetrics(() => input).names].sort());
  });
});

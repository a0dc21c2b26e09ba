// What the screen shows, gathered from the nodes' own reports.
import type { NodeView } from '@tandem/harness';
import { apps } from './logs.ts';
import type { Stage } from './stage.ts';

export interface QueueView {
  /** `app sink` */
  readonly name: string;
  /** Outputs waiting, by node; undefined where the node does not say. */
  readonly depth: Readonly<Record<string, number | undefined>>;
}

export interface FailoverView {
  readonly at: Date;
  readonly text: string;
  /** How long outputs stayed away; undefined until they are back. */
  readonly gap_ms: number | undefined;
}

export interface DemoView {
  readonly nodes: readonly (NodeView & { readonly address: string; readonly conditions: string })[];
  readonly counter: number;
  readonly rate_per_s: number;
  readonly sent: number;
  readonly continuedFrom: number;
  readonly queues: readonly QueueView[];
  readonly failovers: readonly FailoverView[];
  readonly message: string;
  /** Names and versions of what the pair runs on. */
  readonly systems: string;
}

interface AppAnswer {
  readonly app: string;
  readonly condition: string;
  readonly tasks: readonly { readonly queued: Readonly<Record<string, number>> }[];
}

export const appNames = ['counter', 'orders'] as const;

const sinksOf: Readonly<Record<(typeof appNames)[number], readonly string[]>> = {
  counter: Object.keys(apps[0]?.sinks ?? {}),
  orders: Object.keys(apps[1]?.sinks ?? {}),
};

export async function gatherNodes(stage: Stage): Promise<Pick<DemoView, 'nodes' | 'queues'>> {
  const views = await stage.pair.views();
  const answers = await Promise.all(
    views.map(async (view) => ({
      view,
      apps: view.role === undefined ? [] : await Promise.all(appNames.map((app) => askApp(stage, view.id, app))),
    })),
  );
  return {
    nodes: answers.map(({ view, apps: reports }) => ({
      ...view,
      address: stage.pair.address(view.id),
      conditions: reports
        .map((report) => (report === undefined ? '' : `${report.app} ${report.condition}`))
        .filter(Boolean)
        .join(', '),
    })),
    queues: appNames.flatMap((app) =>
      sinksOf[app].map((sink) => ({
        name: `${app} ${sink}`,
        depth: Object.fromEntries(
          answers.map(({ view, apps: reports }) => {
            const tasks = reports.find((report) => report?.app === app)?.tasks;
            return [view.id, tasks?.reduce((sum, task) => sum + (task.queued[sink] ?? 0), 0)];
          }),
        ),
      })),
    ),
  };
}

async function askApp(stage: Stage, id: string, app: string): Promise<AppAnswer | undefined> {
  return await stage.pair.get<AppAnswer>(id, `/v1/apps/${app}`);
}

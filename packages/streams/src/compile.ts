// An app, put together and checked, ready to run.
import type { App, Flow } from './dsl.ts';
import { TopologyError } from './errors.ts';
import { GraphFlow } from './flow.ts';
import { deadLetterSink, Graph, hashOf, type Node, sendsDeadLetters } from './graph.ts';
import type { StateGuard } from './operators.ts';
import type { OutputCollector, SubTopology, Topology } from './runtime.ts';
import { Task } from './task.ts';

/** @throws TopologyError for whatever is wrong with the app. */
export function compileApp(app: App): Topology {
  return compileGuarded(app, undefined);
}

export function compileGuarded(app: App, guard: StateGuard | undefined): Topology {
  const graph = new Graph(app);
  const build: (flow: Flow<never, never>) => unknown = app.build;
  const outcome = build(new GraphFlow(graph) as unknown as Flow<never, never>);
  if (outcome instanceof Promise) {
    throw new TopologyError('async-build', `app '${app.name}': build() must put the app together synchronously`);
  }
  const nodes = graph.seal();
  const sources = Object.keys(app.sources);
  const sinks = Object.keys(app.sinks);
  return {
    app: app.name,
    version: app.version,
    hash: hashOf(app, nodes),
    sources,
    sinks,
    subTopologies: sources.map((source) => describe(app, source, nodes)),
    createTask(source: string, partition: number, collector: OutputCollector) {
      const format = app.sources[source];
      const root = nodes.find(({ operator }) => operator.kind === 'source' && operator.source === source);
      if (format === undefined || root === undefined) {
        throw new TopologyError('unknown-source', `app '${app.name}' has no source '${source}'`);
      }
      return new Task({ app, root, source, format, sinks }, partition, collector, guard);
    },
  };
}

function describe(app: App, source: string, nodes: readonly Node[]): SubTopology {
  const sinks = new Set<string>();
  const stores: string[] = [];
  for (const node of nodes) {
    if (node.source !== source) continue;
    const { operator } = node;
    if (operator.kind === 'sink') sinks.add(operator.sink);
    if (operator.kind === 'fold' || operator.kind === 'window-fold') stores.push(operator.store);
  }
  if (sendsDeadLetters(app, source)) sinks.add(deadLetterSink);
  return { source, sinks: [...sinks], stores };
}

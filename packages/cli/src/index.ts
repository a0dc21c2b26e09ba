export { adapters, type Adapter, type InputHold, type PublishedState, type SystemContext } from './adapters.ts';
export {
  loadConfiguration,
  parseConfiguration,
  type AppConfiguration,
  type Configuration,
} from './configuration/load.ts';
export { runNode } from './composition.ts';
export { main } from './program.ts';
export type { Terminal } from './terminal.ts';

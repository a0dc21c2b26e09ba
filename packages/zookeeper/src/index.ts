export * from './configuration.ts';
export { createZookeeperCoordinator, type ZookeeperCoordinatorOptions } from './coordinator.ts';
export { createZookeeperCoordinatorReader, prepareZookeeper, raiseEpoch, type GuestOptions } from './guest.ts';
export { askServer, negotiateSession, type ServerFacts } from './server.ts';

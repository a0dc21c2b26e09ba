// A PostgreSQL server out of node_modules: for the demo, the benchmarks and the tests. Also how servers are owned:
// started once, joined by later processes, ended with the last of them.
export { exists } from './binaries.ts';
export { createDatabase, dropDatabase } from './databases.ts';
export { EmbeddedError, hasErrno, type EmbeddedErrorCode } from './error.ts';
export { addOwner, otherOwners, removeOwner, withLock, type Guarded } from './owners.ts';
export { until } from './process.ts';
export { findEmbedded, startEmbedded, type EmbeddedOptions, type EmbeddedServer } from './server.ts';
export { sharedTestServer, type TestDatabase, type TestServer } from './test-server.ts';

// A PostgreSQL server out of node_modules: for the demo, the benchmarks and the tests.
export { createDatabase, dropDatabase } from './databases.ts';
export { EmbeddedError, type EmbeddedErrorCode } from './error.ts';
export { startEmbedded, type EmbeddedOptions, type EmbeddedServer } from './server.ts';
export { sharedTestServer, type TestDatabase, type TestServer } from './test-server.ts';

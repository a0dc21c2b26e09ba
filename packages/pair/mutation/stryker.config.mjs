// npm run mutation: changes the code of this package in one place after the other (mutants) and demands that its tests
// notice. See docs/mutation.md. It works on a copy below .tandem/mutation; the reports are there too.
import { createRequire } from 'node:module';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { register } from 'esbuild-register/dist/node.js';

const require = createRequire(import.meta.url);
const { unregister } = register();
const { default: repository } = require('../../../jest.config.ts');
unregister();

const [{ displayName: _, ...unit }] = repository.projects;
process.env.TANDEM_REPEATABLE = '1';
const folder = '.tandem/mutation';

/** Random faults take seconds for each mutant: this one stays out, and what is killed is killed by named cases. */
const leftOut = ['<rootDir>/packages/pair/test/model.test.ts'];

export default {
  testRunner: 'jest',
  mutate: ['packages/pair/src/**/*.ts'],
  // No package.json: two of one name would be in the way of other tests at the same time.
  ignorePatterns: ['/*', '!/jest.config.ts', '!/packages', '/packages/*', '!/packages/pair', 'package.json'],
  coverageAnalysis: 'perTest',
  disableTypeChecks: false,
  concurrency: 2,
  jest: {
    config: {
      ...unit,
      projects: [],
      testMatch: ['<rootDir>/packages/pair/test/**/*.test.ts'],
      testPathIgnorePatterns: leftOut,
      runner: '<rootDir>/packages/pair/mutation/runner.cjs',
      testEnvironment: fileURLToPath(new URL('environment.cjs', import.meta.url)),
      // The copy's source, and not the one that node_modules leads to.
      moduleNameMapper: { '^@tandem/pair$': '<rootDir>/packages/pair/src/index.ts' },
    },
  },
  // A busy machine must not pass for an endless loop; most of these are noticed by their number of rounds.
  timeoutMS: 15_000,
  timeoutFactor: 4,
  thresholds: { high: 95, low: 90, break: 90 },
  reporters: ['clear-text', 'progress-append-only', 'json', 'html'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  jsonReporter: { fileName: `${folder}/report.json` },
  htmlReporter: { fileName: `${folder}/report.html` },
  tempDirName: `${folder}/copy`,
  cleanTempDir: 'always',
  allowEmpty: false,
};

/** @jest-config-loader esbuild-register */
import type { Config } from 'jest';

/** Packages that hold ES modules only: made CommonJS, as everything is in tests. */
const esmPackages = ['@platformatic', 'zstddec'].join('|');

const base: Config = {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@tandem/source', 'node', 'node-addons'] },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
    [`/node_modules/(${esmPackages})/.+\\.m?js$`]: [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'ecmascript' } }, module: { type: 'commonjs' } },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esmPackages})/)`],
  modulePathIgnorePatterns: ['/dist/'],
};

const folders = ['packages/*', 'apps/*', 'demo', 'bench', 'chaos'];

const report = process.env['TANDEM_TEST_REPORT'];

const config: Config = {
  // What takes a second on one machine takes many on a slower one that has other things to do.
  testTimeout: 30_000,
  reporters: ['default', ...(report === undefined ? [] : ['<rootDir>/.ci/reporter.cjs'])],
  projects: [
    { ...base, displayName: 'unit', testMatch: folders.map((folder) => `<rootDir>/${folder}/test/**/*.test.ts`) },
    { ...base, displayName: 'integration', testMatch: folders.map((folder) => `<rootDir>/${folder}/test/**/*.int.ts`) },
  ],
};

export default config;

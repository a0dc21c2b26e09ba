/** @jest-config-loader esbuild-register */
import type { Config } from 'jest';

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
  },
  modulePathIgnorePatterns: ['/dist/'],
};

const folders = ['packages/*', 'apps/*', 'demo', 'bench'];

const report = process.env['TANDEM_TEST_REPORT'];

const config: Config = {
  reporters: ['default', ...(report === undefined ? [] : ['<rootDir>/.ci/reporter.cjs'])],
  projects: [
    { ...base, displayName: 'unit', testMatch: folders.map((folder) => `<rootDir>/${folder}/test/**/*.test.ts`) },
    { ...base, displayName: 'integration', testMatch: folders.map((folder) => `<rootDir>/${folder}/test/**/*.int.ts`) },
  ],
};

export default config;

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { adapters } from '../src/adapters.ts';
import { configurationReference } from '../src/configuration/reference.ts';
import { loadConfiguration } from '../src/configuration/load.ts';
import { version } from '../src/version.ts';

const root = path.resolve(__dirname, '../../..');

test('docs/configuration.md is what the schema says (npm run docs:config --workspace @tandem/cli)', () => {
  expect(readFileSync(path.join(root, 'docs/configuration.md'), 'utf8')).toBe(configurationReference(adapters));
});

test('the reference describes every key', () => {
  const rows = configurationReference(adapters)
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  expect(rows.length).toBeGreaterThan(30);
  for (const row of rows) expect(row).not.toMatch(/\|\s*\|$/);
});

test('the annotated example is a valid configuration', () => {
  const environment = { NODE_ID: 'a', DATABASE_URL: 'postgres://127.0.0.1/db' };
  const example = loadConfiguration(path.join(root, 'config/tandem.postgres.yaml'), environment, adapters);
  expect(example.apps[0]?.module).toBe(path.join(root, 'apps/orders/app.ts'));
});

test('the version is that of the package', () => {
  const text = readFileSync(path.join(root, 'packages/cli/package.json'), 'utf8');
  expect((JSON.parse(text) as { version: string }).version).toBe(version);
});

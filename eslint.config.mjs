// Typed lint for all TypeScript, the layers of docs/design.md as errors, and purity of the inner packages.
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

const clocks = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'Date',
  'process',
  'console',
  'performance',
  'crypto',
  'fetch',
].map((name) => ({ name, message: 'This package is pure: no I/O, no clock. Take it from the caller.' }));

/** A package may import these packages of ours and no others. */
const layers = {
  streams: [],
  pair: [],
  snapshot: ['pair', 'streams'],
  ports: ['pair', 'streams'],
  simulator: ['pair', 'streams', 'snapshot', 'ports', 'lane', 'control'],
  lane: ['ports', 'snapshot', 'pair', 'streams'],
  control: ['lane', 'ports', 'snapshot', 'pair', 'streams'],
  postgres: ['ports', 'snapshot', 'pair', 'streams'],
  zookeeper: ['ports', 'pair'],
  kafka: ['ports', 'snapshot', 'pair', 'streams'],
  files: ['ports', 'snapshot', 'pair', 'streams'],
  http: ['postgres', 'ports', 'snapshot', 'pair', 'streams'],
  embedded: [],
  harness: ['postgres'],
  stack: ['embedded', 'ports'],
};

const all = [...Object.keys(layers), 'cli'];

function layerRules(name, allowed, pure) {
  const foreign = all.filter((other) => other !== name && !allowed.includes(other));
  const patterns = [
    {
      regex: `^@tandem/(${foreign.join('|')})(/|$)`,
      message: 'Imports point inward only: see docs/design.md, Layout.',
    },
    { regex: '/packages/|\\.\\./\\.\\./src/', message: 'Import another package by its name.' },
  ];
  if (pure) patterns.push({ regex: '^node:', message: 'This package is pure: no node:* modules.' });
  return {
    files: [`packages/${name}/src/**/*.ts`],
    rules: {
      'no-restricted-imports': ['error', { patterns }],
      ...(pure && {
        'no-restricted-globals': ['error', ...clocks],
        'no-restricted-properties': [
          'error',
          { object: 'Math', property: 'random', message: 'Take it from the caller.' },
        ],
      }),
    },
  };
}

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.tandem/**', '**/*.mjs', '**/*.cjs', 'jest.config.ts'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { project: ['tsconfig.tests.json'], tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: false, requireDefaultForNonUnion: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: false }],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
    },
  },
  ...Object.entries(layers).map(([name, allowed]) =>
    layerRules(name, allowed, ['streams', 'pair', 'snapshot'].includes(name)),
  ),
  prettier,
);

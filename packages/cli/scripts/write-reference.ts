// Writes docs/configuration.md: npm run docs:config --workspace @tandem/cli
import { writeFileSync } from 'node:fs';
import { adapters } from '../src/adapters.ts';
import { configurationReference } from '../src/configuration/reference.ts';

writeFileSync('docs/configuration.md', configurationReference(adapters));

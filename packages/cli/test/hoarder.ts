// An app that keeps all it can get, once it is told to.
import { defineApp, json, type StandardSchemaV1 } from '@tandem/streams';

interface Word {
  readonly hoard: boolean;
}

const word: StandardSchemaV1<Word, Word> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Word }) },
};

export const app = defineApp({
  name: 'hoarder',
  version: 1,
  sources: { words: json(word, { key: 'utf8' }) },
  sinks: { kept: json(word) },
  build(flow) {
    flow
      .from('words')
      .filter(({ hoard }) => {
        const kept: string[][] = [];
        while (hoard) kept.push(Array.from({ length: 10_000 }, (_, index) => `${kept.length} ${index}`));
        return true;
      })
      .to('kept');
  },
});

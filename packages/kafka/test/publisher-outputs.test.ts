// How outputs are gathered into record batches.
import { outputBatch } from '@tandem/ports/contract';
import { nativeCodec } from '../src/codec/native-codec.ts';
import { Outputs } from '../src/publisher-outputs.ts';

/** What a consumer fetches of one partition at once by default. */
const fetched_bytes = 1_048_576;

function gathered(sizes: readonly number[], limit_bytes: number) {
  const sink = { sink: 'out', topic: 'out', partitions: 1, compression: 'none', limit_bytes } as const;
  const outputs = new Outputs([sink], nativeCodec);
  const records = sizes.map((size) => ({ sink: 0, partition: 0, key: 'k', value: 'v'.repeat(size) }));
  const batch = outputBatch([['in/0', 0, sizes.length]], records);
  outputs.survey(batch);
  outputs.gather(batch);
  return outputs
    .rounds()
    .map((round) => round.map(({ writer }) => ({ count: writer.count, bytes: writer.size_bytes })));
}

it('fills no batch beyond what consumers fetch at once, however much its topic takes', () => {
  const rounds = gathered(
    Array.from({ length: 40 }, () => 99_000),
    10_000_000,
  );
  expect(rounds.map((round) => round.map(({ count }) => count))).toEqual([[10], [10], [10], [10]]);
  for (const { bytes } of rounds.flat()) expect(bytes).toBeLessThan(fetched_bytes);
});

it('fills no batch beyond what its topic takes', () => {
  const rounds = gathered(
    Array.from({ length: 9 }, () => 99_000),
    500_000,
  );
  expect(rounds.map((round) => round.map(({ count }) => count))).toEqual([[5], [4]]);
});

it('sends a record that is larger by itself alone', () => {
  const rounds = gathered([10, 2_000_000, 10], 3_000_000);
  expect(rounds.map((round) => round.map(({ count }) => count))).toEqual([[1], [1], [1]]);
});

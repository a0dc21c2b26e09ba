// This package within a lane's bundle, which lies in a folder without any packages.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundleApp, describeApp } from '@tandem/lane';
import { isCrc32cNative } from '../src/codec/crc32c.ts';

it('a lane’s bundle has native checksums, WebAssembly, decompressors and both clients', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'tandem-bundle-'));
  try {
    const module = path.join(folder, 'app.ts');
    await writeFile(
      module,
      `import { defineApp, raw } from '@tandem/streams';
const checked = JSON.stringify((globalThis as { checked?: unknown }).checked);
const expected = '{"counts":[3,3,3,3,3],"isNative":${String(isCrc32cNative())},"checksum":3808858755,"canConnect":true,"kafkajs":"connect ECONNREFUSED"}';
if (checked !== expected) throw new Error(checked + ' is not ' + expected);
export const app = defineApp({
  name: 'app',
  version: 1,
  sources: { in: raw() },
  sinks: { out: raw() },
  build(flow) {
    flow.from('in').to('out');
  },
});
`,
    );
    const adapters = [path.join(__dirname, 'fixtures/checking-adapter.ts')];
    const bundle = await bundleApp({ module, adapters, outDir: path.join(folder, 'out') });
    await expect(describeApp(bundle)).resolves.toMatchObject({ app: 'app' });
    expect(await readdir(path.join(folder, 'out/node_modules'))).toEqual(['@node-rs']);
    // Once more into the same folder: the links are there already.
    const again = await bundleApp({ module, adapters, outDir: path.join(folder, 'out') });
    expect(again.hash).toBe(bundle.hash);
    await expect(describeApp(again)).resolves.toMatchObject({ app: 'app' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

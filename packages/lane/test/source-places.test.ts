// Places in a bundle, told as those of the app's files.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { sourceMapFile, withSourcePlaces } from '../src/source-places.ts';

describe('places of an app', () => {
  let folder: string;
  let bundlePath: string;
  let address: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'tandem-places-'));
    bundlePath = path.join(folder, 'out', 'lane.mjs');
    address = pathToFileURL(bundlePath).href;
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function writeMap(text: string): void {
    // Beside a bundle that nobody reads here.
    bundlePath = path.join(folder, 'lane.mjs');
    address = pathToFileURL(bundlePath).href;
    writeFileSync(sourceMapFile(bundlePath), text);
  }

  /** Line 1, column 1 of the bundle comes from line 3, column 5 of src/app.ts. */
  const map = JSON.stringify({ version: 3, sources: ['src/app.ts'], names: [], mappings: 'AAEI' });

  it('are those of its own files, wherever they stand in a stack', () => {
    writeMap(map);
    const stack = `Error: no\n    at f (${address}:1:1)\n    at node:internal/x:1:1\n    at ${address}:1:9`;
    const file = path.join(folder, 'src/app.ts');
    expect(withSourcePlaces(stack, bundlePath)).toBe(
      `Error: no\n    at f (${file}:3:5)\n    at node:internal/x:1:1\n    at ${file}:3:5`,
    );
  });

  it('stay as they are without a map, or with one that cannot be read', () => {
    const stack = `Error: no\n    at ${address}:1:1`;
    expect(withSourcePlaces(stack, bundlePath)).toBe(stack);
    writeMap('{');
    expect(withSourcePlaces(`at ${address}:1:1`, bundlePath)).toBe(`at ${address}:1:1`);
  });

  it('are left alone in other files', () => {
    writeMap(map);
    expect(withSourcePlaces('at /elsewhere/lane.mjs:1:1', bundlePath)).toBe('at /elsewhere/lane.mjs:1:1');
    expect(withSourcePlaces(`read ${address} in vain`, bundlePath)).toBe(`read ${address} in vain`);
  });
});

// When a bundle that was kept is used again, and when it is not kept.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cachedBundle, type BuiltBundle } from '../src/bundle-cache.ts';

let folder: string;
let app: string;
let builds: number;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tandem-cache-'));
  mkdirSync(path.join(folder, 'node_modules'));
  app = path.join(folder, 'app.ts');
  builds = 0;
  save('one', 3600);
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function save(text: string, age_s: number): void {
  writeFileSync(app, text);
  const time_s = Date.now() / 1000 - age_s;
  utimesSync(app, time_s, time_s);
}

function build(): Promise<BuiltBundle> {
  builds++;
  return Promise.resolve({ code: readFileSync(app, 'utf8'), map: '{}', inputs: [app] });
}

async function bundled(how: () => Promise<BuiltBundle> = build): Promise<string> {
  return (await cachedBundle(app, ['a name'], how)).code;
}

it('is used again while nothing has changed', async () => {
  expect(await bundled()).toBe('one');
  expect(await bundled()).toBe('one');
  expect(builds).toBe(1);
});

it('is made anew when an input has changed', async () => {
  await bundled();
  save('two', 60);
  expect(await bundled()).toBe('two');
  expect(await bundled()).toBe('two');
  expect(builds).toBe(2);
});

it('is not kept when a file was saved while it was made', async () => {
  const saved = (): Promise<BuiltBundle> => {
    const built = build();
    save('two', 0);
    return built;
  };
  expect(await bundled(saved)).toBe('one');
  expect(await bundled()).toBe('two');
});

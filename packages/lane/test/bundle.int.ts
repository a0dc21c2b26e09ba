// Bundling apps as their authors write them, mistakes included, and loading them in a worker.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundleApp, describeApp, startLane, type AppBundle, type FromLane, type LaneSpec } from '@tandem/lane';
import type { TandemError } from '@tandem/ports';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tandem-bundle-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function write(name: string, code: string): Promise<string> {
  const file = path.join(folder, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, code);
  // Saved a while ago: what is saved during a build keeps its bundle from being kept.
  const minuteAgo_s = Date.now() / 1000 - 60;
  await utimes(file, minuteAgo_s, minuteAgo_s);
  return file;
}

function bundle(module: string, exportName?: string, adapters: readonly string[] = []): Promise<AppBundle> {
  return bundleApp({
    module,
    adapters,
    outDir: path.join(folder, 'out'),
    ...(exportName !== undefined && { exportName }),
  });
}

async function refused(work: Promise<unknown>): Promise<{ code: string; blame: string; message: string }> {
  try {
    await work;
  } catch (thrown) {
    const { code, blame, message } = thrown as TandemError;
    return { code, blame, message };
  }
  throw new Error('it was not refused');
}

/** An app whose operator and module hold these lines. */
function app(options: { operator?: string; module?: string; name?: string } = {}): string {
  const { operator = '', module = '', name = 'app' } = options;
  return `import { defineApp, raw } from '@tandem/streams';
${module}
export const ${name} = defineApp({
  name: '${name}',
  version: 1,
  sources: { in: raw() },
  sinks: { out: raw() },
  build(flow) {
    flow.from('in').map((value: Uint8Array) => {
      ${operator}
      return value;
    }).to('out');
  },
});
`;
}

it('is the same file, as far as its hash goes, wherever the app lies', async () => {
  const first = await write('a/app.ts', app({ module: `import { twice } from './twice.ts'; twice(1);` }));
  await write('a/twice.ts', 'export const twice = (n: number) => 2 * n;\n');
  await cp(path.join(folder, 'a'), path.join(folder, 'elsewhere/deep/b'), { recursive: true });
  const one = await bundle(first);
  const other = await bundle(path.join(folder, 'elsewhere/deep/b/app.ts'));
  expect(other.hash).toBe(one.hash);
  const changed = await bundle(await write('a/app.ts', app({ name: 'changed' })));
  expect(changed.hash).not.toBe(one.hash);
});

describe('a bundle that is kept beside the packages', () => {
  const kept = () => path.join(folder, 'node_modules/.cache/tandem');
  let first: AppBundle;
  let module: string;

  beforeEach(async () => {
    await mkdir(path.join(folder, 'node_modules'));
    await write('package-lock.json', '{}');
    await write('src/twice.ts', 'export const twice = (n: number) => 2 * n;\n');
    module = await write('src/app.ts', app({ module: `import { twice } from './twice.ts'; twice(1);` }));
    first = await bundle(module);
    // Something else than what would be built shows where it came from.
    const [name = ''] = await readdir(kept());
    const content = await readFile(path.join(kept(), name), 'utf8');
    await writeFile(path.join(kept(), name), content.replace('"code":"', '"code":"/* kept */'));
  });

  it('is used again while nothing has changed', async () => {
    const again = await bundle(module);
    expect(again.hash).not.toBe(first.hash);
    await expect(readFile(again.path, 'utf8')).resolves.toMatch(/^\/\* kept \*\//);
    expect(await readdir(kept())).toHaveLength(1);
  });

  it.each([
    ['a file that the app imports', 'src/twice.ts', 'export const twice = (n: number) => n + n;\n'],
    ['what is installed', 'package-lock.json', '{ "name": "other" }'],
    ['how TypeScript is read', 'src/tsconfig.json', '{ "compilerOptions": { "experimentalDecorators": true } }'],
  ])('is made anew when %s has changed', async (_what, file, content) => {
    await write(file, content);
    const again = await bundle(module);
    await expect(readFile(again.path, 'utf8')).resolves.not.toContain('/* kept */');
    // And what was made anew is kept in its place.
    expect((await bundle(module)).hash).toBe(again.hash);
  });

  it('is made anew when what was kept is damaged', async () => {
    const [name = ''] = await readdir(kept());
    await writeFile(path.join(kept(), name), '{"code":');
    expect((await bundle(module)).hash).toBe(first.hash);
  });

  it('is made anew when a file is gone, and the error names it', async () => {
    await rm(path.join(folder, 'src/twice.ts'));
    expect(await refused(bundle(module))).toMatchObject({ code: 'app-build', blame: 'user' });
  });
});

it('finds the packages of an app in its own folder, in JavaScript too', async () => {
  await write('node_modules/half/package.json', '{ "name": "half", "main": "half.js" }');
  await write('node_modules/half/half.js', 'module.exports.half = (n) => n / 2;');
  const code = app({ module: `import { half } from 'half'; half(4);` }).replace(': Uint8Array', '');
  await expect(describeApp(await bundle(await write('app.mjs', code)))).resolves.toMatchObject({ app: 'app' });
});

describe('a package that finds files of its own', () => {
  /** With a package that works only where it is installed, as native ones do. */
  async function writeNative(place: string, outside: unknown): Promise<string> {
    await write(`${place}/package.json`, JSON.stringify({ tandem: { outside } }));
    await write(`${place}/node_modules/@x/native/package.json`, '{ "name": "@x/native", "main": "lib/native.js" }');
    await write(`${place}/node_modules/@x/native/factor.txt`, '3');
    await write(
      `${place}/node_modules/@x/native/lib/native.js`,
      `const factor = Number(require('fs').readFileSync(require('path').join(__dirname, '../factor.txt')));
       module.exports.times = (n) => n * factor;`,
    );
    const module = `import { times } from '@x/native';\nif (times(5) !== 15) throw new Error('wrong');`;
    return await write(`${place}/apps/app.ts`, app({ module }));
  }

  it('stays where it is installed when the app’s package.json says so; the hash knows nothing of that place', async () => {
    const one = await bundle(await writeNative('one', ['@x/native', 'not-installed']));
    await expect(describeApp(one)).resolves.toMatchObject({ app: 'app' });
    const { hash } = await bundle(await writeNative('some/where/else', ['@x/native', 'not-installed']));
    expect(hash).toBe(one.hash);
    // The same folder for both: the link has been led to the other place.
    await rm(path.join(folder, 'one'), { recursive: true });
    await expect(describeApp(one)).resolves.toMatchObject({ app: 'app' });
  });

  it('cannot be in a bundle', async () => {
    const built = await bundle(await writeNative('one', undefined));
    expect((await refused(describeApp(built))).message).toContain('__dirname is not defined');
  });

  it('is named in a list, or the app is refused', async () => {
    const error = await refused(bundle(await writeNative('one', '@x/native')));
    expect(error).toMatchObject({ code: 'app-build', blame: 'user' });
    expect(error.message).toMatch(/one.package\.json: tandem\.outside is no list of package names/);
  });
});

describe('refuses, in one line,', () => {
  it('a module that is not there', async () => {
    expect(await refused(bundle(path.join(folder, 'none.ts')))).toMatchObject({
      code: 'app-module-missing',
      blame: 'user',
    });
  });

  it('a mistake in the syntax, with its place', async () => {
    const file = await write('app.ts', 'export const x = 1;\nexport const = 2;\n');
    const error = await refused(bundle(file));
    expect(error).toMatchObject({ code: 'app-build', blame: 'user' });
    expect(error.message).toMatch(/app\.ts:2:14: /);
    expect(error.message).not.toContain('\n');
  });

  it('an import that cannot be found, with its place', async () => {
    const error = await refused(bundle(await write('app.ts', `import 'nowhere';`)));
    expect(error.message).toBe(
      `app.ts:1:8: Could not resolve "nowhere"; correct the name, or install it where the app is`,
    );
  });

  it('a module without an app, with several, or without the one that is named', async () => {
    const none = await bundle(await write('none.ts', 'export const x = 1;'));
    expect(await refused(describeApp(none))).toMatchObject({ code: 'app-export', blame: 'user' });
    const module = await write('two.ts', `${app({ name: 'one' })}${app({ name: 'two' }).replace(/^import.*$/m, '')}`);
    expect((await refused(describeApp(await bundle(module)))).message).toMatch(/several apps: one, two/);
    expect((await refused(describeApp(await bundle(module, 'three')))).message).toMatch(/no export 'three'/);
    await expect(describeApp(await bundle(module, 'two'))).resolves.toMatchObject({ app: 'two' });
  });

  it('an app that throws while it is loaded, with its own file and line', async () => {
    const module = `const broken: number[] = [];\nthrow new Error('no luck' + broken.length);`;
    const file = await write('app.ts', app({ module }));
    const error = await refused(describeApp(await bundle(file)));
    expect(error).toMatchObject({ code: 'app-load', blame: 'user' });
    expect(error.message).toBe(`the app threw while it was loaded: no luck0 (${file}:3:7)`);
  });

  it('an app that throws in a file of its own, or what is no error', async () => {
    const part = await write(
      'parts/total.ts',
      `export function total(): number {\n  throw new Error('no total');\n}\n`,
    );
    const using = await write('using.ts', `import { total } from './parts/total.ts';\n${app({ module: 'total();' })}`);
    expect((await refused(describeApp(await bundle(using)))).message).toBe(
      `the app threw while it was loaded: no total (${part}:2:9)`,
    );
    const odd = await write('odd.ts', app({ module: `throw 'a text';` }));
    expect((await refused(describeApp(await bundle(odd)))).message).toBe('the app threw while it was loaded: a text');
  });

  it.each([
    ['process.exit(3);', 'the app ended its thread while it was loaded (exit code 3); does it call process.exit?'],
    ['await new Promise(() => {});', 'the app waits while it is loaded for what never comes; take that await away'],
  ])('an app that ends while it is loaded: %s', async (module, reason) => {
    const built = await bundle(await write('app.ts', app({ module })));
    expect(await refused(describeApp(built))).toMatchObject({ code: 'app-load', blame: 'user', message: reason });
  });

  it('an app that never finishes loading', async () => {
    const built = await bundle(await write('app.ts', app({ module: 'for (;;) {}' })));
    expect((await refused(describeApp(built, 300))).message).toMatch(/did not load within 0.3 s/);
  });

  it.each([
    ['Date.now()', 'ctx.now'],
    ['new Date()', 'ctx.now'],
    ['Date()', 'ctx.now'],
    ['performance.now()', 'ctx.now'],
    ['Math.random()', 'ctx.random'],
    ['crypto.randomUUID()', 'ctx.random'],
  ])('%s in the app', async (expression, instead) => {
    const built = await bundle(await write('app.ts', app({ module: `console.log(${expression});` })));
    const { message } = await refused(describeApp(built));
    expect(message).toContain(instead);
    expect(message).toMatch(/app\.ts:2:/);
  });

  it('the clock in a package of the app', async () => {
    await write('node_modules/clock/package.json', '{ "name": "clock", "main": "clock.js" }');
    await write('node_modules/clock/clock.js', 'module.exports.now = () => Date.now();');
    const built = await bundle(await write('app.ts', app({ module: `import { now } from 'clock'; now();` })));
    expect((await refused(describeApp(built))).message).toContain('ctx.now');
  });
});

it('goes on while the bundle of another app is given up', async () => {
  const wrong = await write('wrong/app.ts', 'const = 1;');
  const right = await write('right/app.ts', app());
  const [given, made] = await Promise.allSettled([bundle(wrong), bundle(right)]);
  expect([given.status, made]).toEqual(['rejected', { status: 'fulfilled', value: await bundle(right) }]);
});

it('starts without what fetch is made of', async () => {
  // moduleLoadList is in no declaration: names of Node's own modules that are loaded.
  const loaded = `(process as unknown as { moduleLoadList: string[] }).moduleLoadList.filter((name) => /undici/.test(name))`;
  const file = await write('app.ts', app({ module: `throw new Error(JSON.stringify(${loaded}));` }));
  const { message } = await refused(bundle(file, undefined, ['@tandem/postgres/lane']).then(describeApp));
  expect(message).toContain('[]');
});

it('leaves dates alone that are given', async () => {
  const module = `const when = new Date(5);
if (!(when instanceof Date) || when.getTime() !== 5 || Date.UTC(1970, 0, 1) !== 0 || Math.max(1, 2) !== 2) throw new Error('wrong');`;
  await expect(describeApp(await bundle(await write('app.ts', app({ module }))))).resolves.toMatchObject({
    app: 'app',
  });
});

it('reports a lane that runs out of memory as failed, once', async () => {
  const module = 'const kept: number[][] = []; for (;;) kept.push(new Array<number>(1e5).fill(1.5));';
  const built = await bundle(await write('app.ts', app({ module })));
  const said: FromLane[] = [];
  const spec: LaneSpec = {
    pair: 'test',
    app: 'app',
    lane: 0,
    lanes: 1,
    sources: [],
    publishers: [],
    queueLimit_bytes: 1,
    publishMaxOutputs: 1,
    publishMaxBytes: 1,
    inSyncLag_inputs: 0,
    slice_ms: 5,
    digest: { every_inputs: 10, interval_ms: 1_000 },
  };
  await new Promise<void>((resolve) => {
    startLane(
      built,
      spec,
      {
        onMessage: (message) => {
          said.push(message);
          resolve();
        },
      },
      { heapLimit_bytes: 32 << 20 },
    );
  });
  expect(said).toEqual([
    expect.objectContaining({
      type: 'failed',
      code: 'internal',
      reason: expect.stringMatching(/out of memory/) as string,
    }),
  ]);
});

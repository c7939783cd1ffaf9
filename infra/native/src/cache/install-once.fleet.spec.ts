import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { installOnce } from './install-once.js';

let cache: string;
const before = process.env['CERTMILL_NATIVE_CACHE'];

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'certmill-cache-'));
  process.env['CERTMILL_NATIVE_CACHE'] = cache;
});

afterEach(() => {
  rmSync(cache, { recursive: true });
  if (before === undefined) delete process.env['CERTMILL_NATIVE_CACHE'];
  else process.env['CERTMILL_NATIVE_CACHE'] = before;
});

test('one caller installs, the others wait for it', async () => {
  let installs = 0;
  const install = async (folder: string): Promise<void> => {
    installs += 1;
    await writeFile(join(folder, 'half'), '');
    expect(existsSync(join(cache, 'part-1'))).toBe(false);
    await writeFile(join(folder, 'whole'), '');
  };
  const folders = await Promise.all(
    Array.from({ length: 4 }, () => installOnce('part-1', install)),
  );
  expect(new Set(folders)).toEqual(new Set([join(cache, 'part-1')]));
  expect(installs).toBe(1);
  expect(readdirSync(join(cache, 'part-1')).sort()).toEqual(['half', 'whole']);
});

test('processes install once between them', async () => {
  const script = `
    import { appendFile, writeFile } from 'node:fs/promises';
    import { installOnce } from './install-once.js';
    await installOnce('part-1', async (folder) => {
      await appendFile(process.env.CERTMILL_NATIVE_CACHE + '/installs', 'x');
      for (let i = 0; i < 200; i += 1) await writeFile(folder + '/' + i, '');
    });`;
  const run = promisify(execFile);
  const processes = Array.from({ length: 4 }, () =>
    run(process.execPath, ['--input-type=module', '-e', script], {
      cwd: import.meta.dirname,
      env: process.env,
    }),
  );
  await Promise.all(processes);
  expect(readdirSync(join(cache, 'part-1'))).toHaveLength(200);
  expect((await run('cat', [join(cache, 'installs')])).stdout).toBe('x');
});

test('an installation that fails leaves nothing and is tried again', async () => {
  const failing = installOnce('part-1', async (folder) => {
    await writeFile(join(folder, 'half'), '');
    throw new Error('cut off');
  });
  await expect(failing).rejects.toThrow('cut off');
  expect(readdirSync(cache)).toEqual(['part-1.lock']);
  await installOnce('part-1', (folder) => writeFile(join(folder, 'whole'), ''));
  expect(readdirSync(join(cache, 'part-1'))).toEqual(['whole']);
});

test('what a killed installation left is removed', async () => {
  await mkdir(join(cache, 'part-1.part-abc', 'folder'), { recursive: true });
  await mkdir(join(cache, 'part-10.part-abc'));
  await installOnce('part-1', () => Promise.resolve());
  expect(readdirSync(cache).sort()).toEqual(['part-1', 'part-1.lock', 'part-10.part-abc']);
});

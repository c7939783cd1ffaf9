import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { cachePrefixOf, withCacheDirectory } from './cache-directory.js';

describe('the cache folder of a process', () => {
  let parent: string;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'certmill-caches-'));
  });
  afterEach(() => rmSync(parent, { recursive: true }));

  it('is its own, and goes when it is done', async () => {
    const config = { cacheDirectory: parent };
    const one = await withCacheDirectory(config, 'sign');
    const other = await withCacheDirectory(config, 'sign');
    expect(readdirSync(parent)).toHaveLength(2);
    await one.remove();
    expect([existsSync(one.directory), existsSync(other.directory)]).toEqual([false, true]);
  });

  it('is removed by the next one where the process was killed, and nothing else is', async () => {
    const config = { cacheDirectory: parent };
    const live = await withCacheDirectory(config, 'sign');
    const child = spawn('true');
    await once(child, 'exit');
    const [pid, start] = [
      String(process.pid),
      /-(\d+)-sign-[^-]*$/.exec(live.directory)?.[1] ?? '',
    ];
    const name = basename(live.directory);
    const dead = [
      name.replace(`-${pid}-`, `-${String(child.pid)}-`),
      // The pid is of another process by now.
      name.replace(`-${start}-`, `-${start}1-`),
    ].map((each) => join(parent, each));
    const foreign = ['certmill-else', `${cachePrefixOf(`${hostname()}-1`)}1-1-sign-x`].map((each) =>
      join(parent, each),
    );
    for (const path of [...dead, ...foreign]) mkdirSync(join(path, 'runs'), { recursive: true });
    await withCacheDirectory(config, 'sign');
    expect(dead.map((path) => existsSync(path))).toEqual([false, false]);
    const kept = [live.directory, ...foreign].map((path) => existsSync(path));
    expect(kept).toEqual([true, true, true]);
  });
});

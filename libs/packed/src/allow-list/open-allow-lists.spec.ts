import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PageCache } from '../packed-runs/page-cache.js';
import { buildAllowList } from './build-allow-list.js';
import { OpenAllowLists } from './open-allow-lists.js';

const folder = mkdtempSync(join(tmpdir(), 'certmill-open-allow-lists-'));
const names = ['a', 'b', 'c'];
const fileOf = (name: string): string => join(folder, name);
const noUdid = new Uint8Array(32);

beforeAll(async () => {
  for (const name of names) {
    await buildAllowList(
      fileOf(name),
      (async function* () {
        await Promise.resolve();
        for (let i = 0; i < 100; i += 1) yield { deviceId: `${name}-${String(i)}` };
      })(),
    );
  }
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('the open allow-lists', () => {
  it('keep the lists used last within the bound, and reopen the others when asked', () => {
    const cache = new PageCache(64 * 1024);
    const sizing = new OpenAllowLists(0, cache);
    const { indexBytes } = sizing.get(fileOf('a'));
    sizing.closeAll();
    const lists = new OpenAllowLists(2 * indexBytes, cache);
    const a = lists.get(fileOf('a'));
    const b = lists.get(fileOf('b'));
    expect(lists.get(fileOf('a'))).toBe(a);
    lists.get(fileOf('c'));
    expect(lists.get(fileOf('a'))).toBe(a);
    expect(lists.get(fileOf('b'))).not.toBe(b);
    for (const name of [...names, ...names]) {
      const list = lists.get(fileOf(name));
      expect(list.lookUp(`${name}-42`, noUdid)).toEqual({ deviceId: `${name}-42` });
      expect(list.lookUp('other-42', noUdid)).toBeUndefined();
    }
    lists.closeAll();
  });

  it('read a file anew once it was closed', async () => {
    const lists = new OpenAllowLists(1024, new PageCache(64 * 1024));
    const file = fileOf('d');
    const build = (deviceId: string): Promise<number> =>
      buildAllowList(
        file,
        (async function* () {
          await Promise.resolve();
          yield { deviceId };
        })(),
      );
    await build('old');
    expect(lists.get(file).lookUp('old', noUdid)).toBeDefined();
    await build('new');
    lists.close(file);
    expect(lists.get(file).lookUp('old', noUdid)).toBeUndefined();
    expect(lists.get(file).lookUp('new', noUdid)).toBeDefined();
    lists.closeAll();
  });
});

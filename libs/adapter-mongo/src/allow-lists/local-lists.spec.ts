import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { buildAllowList, type AllowList } from '@certmill/packed';
import { LocalLists } from './local-lists.js';

const folder = mkdtempSync(join(tmpdir(), 'certmill-local-lists-'));
const proof = { bytes: 1_000, sha256: new Uint8Array(32) };
let nowMs = 0;
let downloads = 0;
let lists: LocalLists;

beforeAll(async () => {
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const download = async (_list: unknown, _proof: unknown, path: string): Promise<boolean> => {
    downloads += 1;
    await buildAllowList(
      path,
      (async function* () {
        yield await Promise.resolve({ deviceId: 'known' });
      })(),
    );
    return true;
  };
  lists = await LocalLists.open(join(folder, 'lists'), { download }, 1024 * 1024);
});
afterAll(() => {
  lists.close();
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const use = <T>(listId: string, what: (list: AllowList) => T): Promise<T | undefined> =>
  lists.with({ tenant: 't', orderId: 'o', listId }, proof, what);

/** Files of the folder that this process has open. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(join('/proc/self/fd', fd));
      return path.startsWith(folder) ? [path] : [];
    } catch {
      return [];
    }
  });
}

test('a list that nobody used for five minutes is let go of, and opened again when it is asked', async () => {
  const asked = (list: AllowList) => list.indexBytes;
  expect(await use('a', asked)).toBeGreaterThan(0);
  await use('b', asked);
  expect(openFiles()).toHaveLength(2);
  nowMs = 299_000;
  await use('b', asked);
  expect(openFiles()).toHaveLength(2);
  nowMs = 301_000;
  await use('b', asked);
  expect(openFiles()).toEqual([lists.pathOf('b')]);
  expect(await use('a', asked)).toBeGreaterThan(0);
  expect(openFiles()).toHaveLength(2);
  // Its file was kept.
  expect(downloads).toBe(2);
});

import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoredCrl } from '@certmill/ports';
import { restoreEmbeddedStore } from './back-up.js';
import { openEmbeddedStore, type EmbeddedStore } from './embedded-store.js';
import { crlFile, storeFiles } from './store-files.js';

const clock = { nowMs: () => 1_000 };
const scope = { issuer: 'devices', shard: 0 };

function aCrl(number: number): StoredCrl {
  return {
    scope,
    kind: 'full',
    crlNumber: BigInt(number),
    thisUpdateMs: number,
    nextUpdateMs: number + 1_000,
    entries: 0,
    changes: 0,
    hasDeltas: false,
    der: Buffer.from(`CRL ${String(number)}`),
  };
}

describe('CRLs of the embedded store', () => {
  let parent: string;
  let directory: string;
  let store: EmbeddedStore;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'certmill-crls-'));
    directory = join(parent, 'store');
    store = await openEmbeddedStore({ directory, clock });
  });
  afterEach(async () => {
    await store.close();
    await rm(parent, { recursive: true });
  });

  async function reopen(): Promise<void> {
    await store.close();
    store = await openEmbeddedStore({ directory, clock });
  }

  async function numberInForce(of: EmbeddedStore = store): Promise<string | undefined> {
    const crl = await of.getCrl(scope, 'full');
    return crl && Buffer.from(crl.der).toString();
  }

  test('are there after a restart, and only the file in force', async () => {
    await store.putCrl(aCrl(1), undefined);
    await store.putCrl(aCrl(2), 1n);
    await reopen();
    expect(await numberInForce()).toBe('CRL 2');
    expect(await readdir(storeFiles(directory).crls)).toHaveLength(1);
  });

  test('are as before where a process was killed before the row of a new one', async () => {
    await store.putCrl(aCrl(1), undefined);
    await writeFile(crlFile(directory, 'half-written'), 'CRL');
    await reopen();
    expect(await numberInForce()).toBe('CRL 1');
    expect(await readdir(storeFiles(directory).crls)).toHaveLength(1);
  });

  test.each([
    ['cut short', 'CRL'],
    ['changed', 'CRL 9'],
  ])('are not served from a file that was %s, and the next one mends it', async (_, content) => {
    await store.putCrl(aCrl(1), undefined);
    const [name = ''] = await readdir(storeFiles(directory).crls);
    await writeFile(join(storeFiles(directory).crls, name), content);
    await expect(store.getCrl(scope, 'full')).rejects.toMatchObject({ code: 'FAULT_PROCESSING' });
    await store.putCrl(aCrl(2), 1n);
    expect(await numberInForce()).toBe('CRL 2');
  });

  test('go along with a backup, and a restored store takes larger numbers only', async () => {
    await store.putCrl(aCrl(5), undefined);
    const copy = join(parent, 'copy');
    await store.backupTo(copy);
    await store.putCrl(aCrl(6), 5n);
    const restored = join(parent, 'restored');
    await restoreEmbeddedStore(copy, restored);
    const other = await openEmbeddedStore({ directory: restored, clock });
    expect(await numberInForce(other)).toBe('CRL 5');
    expect(await other.putCrl(aCrl(4), 5n)).toBe(false);
    expect(await other.putCrl(aCrl(7), 5n)).toBe(true);
    await other.close();
  });

  test('leave no file behind where they are not stored', async () => {
    await store.putCrl(aCrl(5), undefined);
    await Promise.all([1, 2, 3, 6].map((number) => store.putCrl(aCrl(number), 5n)));
    const names = await readdir(storeFiles(directory).crls);
    expect(names).toHaveLength(1);
    expect((await stat(join(storeFiles(directory).crls, names[0] ?? ''))).size).toBe(5);
  });
});

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedStore, openEventLog } from '@certmill/adapter-embedded';
import { topics } from '@certmill/events';
import { takeDataFolder } from './data-folder.js';
import { openFolderToMigrate } from './open-folder-to-migrate.js';

describe('a data folder', () => {
  let parent = '';
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'certmill-folder-'));
  });
  afterEach(() => {
    rmSync(parent, { recursive: true });
  });

  it('has durable names before it is used: those above it, and that of its secret', () => {
    const directory = join(parent, 'a', 'b');
    const synced: string[] = [];
    const hadSecret: boolean[] = [];
    const disk = {
      syncDirectory(path: string) {
        synced.push(path);
        hadSecret.push(existsSync(join(directory, 'hop-secret')));
      },
    };
    takeDataFolder(directory, disk).release();
    expect(synced).toEqual([join(parent, 'a'), parent, directory]);
    expect(hadSecret).toEqual([false, false, true]);
  });

  it('whose secret cannot be made durable is not opened, and is free again', () => {
    const disk = {
      syncDirectory() {
        throw Object.assign(new Error('it failed'), { code: 'EIO' });
      },
    };
    expect(() => takeDataFolder(parent, disk)).toThrow('it failed');
    takeDataFolder(parent).release();
  });

  it('gets no new secret where its log holds what the old one sealed', async () => {
    takeDataFolder(parent).release();
    const directory = join(parent, 'log');
    const topic = topics.requestsReceived.bulk;
    const open = () =>
      openEventLog({
        directory,
        durableTopics: [topic],
        relayTopics: [],
        maxBacklogBytes: 1 << 20,
      });
    // A log without records is none to lose.
    await (await open()).close();
    rmSync(join(parent, 'hop-secret'));
    takeDataFolder(parent).release();
    const log = await open();
    await log.append(topic, { key: 'k', headers: {}, value: new Uint8Array([1]) });
    await log.close();
    rmSync(join(parent, 'hop-secret'));
    const refused: unknown = expect.objectContaining({
      code: 'FAULT_STORE_CORRUPT',
      message: expect.stringMatching(
        /hop-secret is missing.*refused as forged, and lost/,
      ) as string,
    });
    expect(() => takeDataFolder(parent)).toThrow(refused as Error);
    expect(existsSync(join(parent, 'hop-secret'))).toBe(false);
    writeFileSync(join(parent, 'hop-secret'), new Uint8Array(32));
    takeDataFolder(parent).release();
  });

  it('is no folder of which a backup was cut off while it was restored', () => {
    mkdirSync(join(parent, 'restoring'));
    expect(() => takeDataFolder(parent)).toThrow('was cut off');
  });

  it('that was carried into a fleet is read, and nothing works in it', async () => {
    const clock = { nowMs: () => 1 };
    takeDataFolder(parent).release();
    await (await openEmbeddedStore({ directory: join(parent, 'store'), clock })).close();
    {
      await using folder = await openFolderToMigrate(parent);
      expect(() => takeDataFolder(parent)).toThrow('another Certmill process works in');
      await folder.retire();
      await folder.retire();
    }
    expect(() => takeDataFolder(parent)).toThrow('was carried into a fleet');
    await using again = await openFolderToMigrate(parent);
    expect((await again.store.readOut().survey()).counts.batches).toBe(0);
  });

  it('that is a backup is not migrated: each opening would be another store', async () => {
    const clock = { nowMs: () => 1 };
    await (await openEmbeddedStore({ directory: join(parent, 'store'), clock })).close();
    writeFileSync(join(parent, 'backup.json'), '{}');
    await expect(openFolderToMigrate(parent)).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

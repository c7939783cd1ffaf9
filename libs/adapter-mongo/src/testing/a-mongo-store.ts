import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { statusKeysOf, statusSealsOf } from '@certmill/pipeline';
import { MongoClient } from 'mongodb';
import { initCollections } from '../init-collections.js';
import { openMongoStore, type MongoStoreOptions } from '../open-mongo-store.js';
import type { MongoStore } from '../mongo-store.js';

export function mongoUri(): string {
  const uri = process.env['MONGODB_URI'];
  assert.ok(uri, 'MONGODB_URI is not set: run npm run test:fleet');
  return uri;
}

/** A database of this test alone, initialised, and stores on it: one for each process there would be. */
export interface Fleet {
  readonly database: string;
  open(changes?: Partial<MongoStoreOptions>): Promise<MongoStore>;
  /** Stops the stores and drops the database. */
  close(): Promise<void>;
}

const statusSeals = statusSealsOf(statusKeysOf(new Uint8Array(32)));

export async function aFleet(): Promise<Fleet> {
  const uri = mongoUri();
  const database = `certmill-test-${randomUUID()}`;
  const directory = await mkdtemp(join(tmpdir(), 'certmill-mongo-'));
  await initCollections({ uri, database });
  const stores: MongoStore[] = [];
  let opened = 0;
  return {
    database,
    async open(changes = {}) {
      const cacheDirectory = join(directory, String((opened += 1)));
      const clock = { nowMs: () => Date.now() };
      const own = { uri, database, clock, cacheDirectory, statusSeals };
      const store = await openMongoStore({ ...own, ...changes });
      stores.push(store);
      return store;
    },
    async close() {
      await Promise.all(stores.map((store) => store.stop(1_000)));
      const client = new MongoClient(uri);
      await client.db(database).dropDatabase();
      await client.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

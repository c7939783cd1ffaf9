import { randomBytes } from 'node:crypto';
import { MongoServerError, type Db } from 'mongodb';
import { collectionNames, collectionsOf, indexes, type CollectionName } from './collections.js';
import type { DriverCalls } from './connection/driver-calls.js';
import { openMongoConnection, type MongoConnectionOptions } from './connection/open-client.js';
import { assertReadable, journalShards, storeFormat, theOne } from './meta.js';

const namespaceExists = 48;
const namespaceNotFound = 26;
const commandNotFound = 59;
const names = Object.keys(collectionNames) as CollectionName[];
const hashedId = { _id: 'hashed' };

/**
 * Makes what a store needs, where it is missing: collections, indexes, hashed shard keys on a sharded
 * cluster, the epoch and the secret. Idempotent, also by several at once, and nothing that is there
 * is changed. Faults: those of `openMongoConnection`.
 */
export function initCollections(options: MongoConnectionOptions): Promise<void> {
  return connected(options, makeCollections);
}

/**
 * What is not as `initCollections` makes it, a line each; empty where all is. Faults: also
 * DATA_FORMAT_UNSUPPORTED.
 */
export function checkCollections(options: MongoConnectionOptions): Promise<readonly string[]> {
  return connected(options, differencesIn);
}

async function connected<T>(
  options: MongoConnectionOptions,
  action: (db: Db, calls: DriverCalls) => Promise<T>,
): Promise<T> {
  const { db, calls, close } = await openMongoConnection(options);
  try {
    return await action(db(), calls);
  } finally {
    await close();
  }
}

/** As `initCollections`, on a database that is open. */
export async function makeCollections(db: Db, calls: DriverCalls): Promise<void> {
  const sharded = await isSharded(db, calls);
  if (sharded) {
    await calls.run('enable sharding', async () => {
      await db.admin().command({ enableSharding: db.databaseName });
    });
  }
  for (const name of names) {
    await calls.run(`create ${name}`, () => createCollection(db, collectionNames[name]));
    for (const index of indexes[name] ?? []) {
      await calls.run(`index ${name}`, () =>
        db.collection(collectionNames[name]).createIndex({ ...index }),
      );
    }
    if (sharded) await calls.run(`shard ${name}`, () => shardCollection(db, name));
  }
  const { meta, issuanceTime } = collectionsOf(() => db, calls);
  await issuanceTime.insert({ _id: theOne, atMs: 0 });
  await meta.insert({
    _id: theOne,
    format: storeFormat,
    epoch: randomBytes(16),
    secret: randomBytes(32),
    shards: journalShards,
  });
}

/** As `checkCollections`, on a database that is open. */
export async function differencesIn(db: Db, calls: DriverCalls): Promise<readonly string[]> {
  const differences: string[] = [];
  const sharded = await isSharded(db, calls);
  for (const name of names) {
    differences.push(...(await differencesOf(db, calls, name, sharded)));
  }
  const collections = collectionsOf(() => db, calls);
  const [meta, time] = await Promise.all([
    collections.meta.get(theOne),
    collections.issuanceTime.get(theOne),
  ]);
  if (meta === undefined) differences.push('the epoch and the secret are missing');
  // No `fleet init` mends that, nor does waiting.
  else assertReadable(meta);
  if (time === undefined) differences.push('the time of the last issuance is missing');
  return differences;
}

async function differencesOf(
  db: Db,
  calls: DriverCalls,
  name: CollectionName,
  sharded: boolean,
): Promise<readonly string[]> {
  const stored = await calls.run(`list indexes of ${name}`, () => indexesOf(db, name));
  if (stored === undefined) return [`collection ${name} is missing`];
  const differences: string[] = [];
  for (const wanted of indexes[name] ?? []) {
    if (stored.includes(JSON.stringify(wanted))) continue;
    differences.push(`collection ${name} has no index ${JSON.stringify(wanted)}`);
  }
  if (sharded) {
    const key = await calls.run(`look at ${name}`, () => shardKeyOf(db, name));
    if (JSON.stringify(key) !== JSON.stringify(hashedId)) {
      differences.push(`collection ${name} is not sharded by the hash of _id`);
    }
  }
  return differences;
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof MongoServerError && error.code === code;
}

/** Whether the other side is a mongos (it says `msg: isdbgrid`). */
function isSharded(db: Db, calls: DriverCalls): Promise<boolean> {
  return calls.run('say hello', async () => {
    try {
      return (await db.admin().command({ hello: 1 }))['msg'] === 'isdbgrid';
    } catch (error) {
      // A server that does not know it is no mongos of a release that the driver takes.
      if (hasCode(error, commandNotFound)) return false;
      throw error;
    }
  });
}

async function createCollection(db: Db, name: string): Promise<void> {
  try {
    await db.createCollection(name);
  } catch (error) {
    if (!hasCode(error, namespaceExists)) throw error;
  }
}

/** The server makes the hashed index with it; doing it again with the same key changes nothing. */
async function shardCollection(db: Db, name: CollectionName): Promise<void> {
  await db.admin().command({
    shardCollection: `${db.databaseName}.${collectionNames[name]}`,
    key: hashedId,
  });
}

async function shardKeyOf(db: Db, name: CollectionName): Promise<unknown> {
  const namespace = `${db.databaseName}.${collectionNames[name]}`;
  const config = db.client
    .db('config')
    .collection<{ readonly _id: string; readonly key: unknown }>('collections');
  return (await config.findOne({ _id: namespace }))?.key;
}

/** The keys of a collection's indexes as JSON; undefined where there is no such collection. */
async function indexesOf(db: Db, name: CollectionName): Promise<readonly string[] | undefined> {
  try {
    const stored = await db.collection(collectionNames[name]).indexes();
    return stored.length === 0 ? undefined : stored.map(({ key }) => JSON.stringify(key));
  } catch (error) {
    if (hasCode(error, namespaceNotFound)) return undefined;
    throw error;
  }
}

import { randomUUID } from 'node:crypto';
import { MongoClient } from 'mongodb';
import { checkCollections, initCollections } from './init-collections.js';
import { openMongoStore } from './open-mongo-store.js';
import { aFleet, mongoUri } from './testing/a-mongo-store.js';

describe('the collections of a fleet', () => {
  const database = `certmill-test-${randomUUID()}`;
  const options = () => ({ uri: mongoUri(), database });
  let client: MongoClient;
  beforeAll(() => {
    client = new MongoClient(mongoUri());
  });
  afterAll(async () => {
    await client.db(database).dropDatabase();
    await client.close();
  });

  test('are missing in an empty database, and no store opens on it', async () => {
    const differences = await checkCollections(options());
    expect(differences).toContain('collection buckets is missing');
    expect(differences).toContain('the epoch and the secret are missing');
    const clock = { nowMs: () => 1 };
    const cacheDirectory = '/nowhere';
    await expect(openMongoStore({ ...options(), clock, cacheDirectory })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });

  test('are made once, by several at once too: the epoch and the secret stay', async () => {
    await Promise.all([1, 2, 3].map(() => initCollections(options())));
    expect(await checkCollections(options())).toEqual([]);
    const meta = () => client.db(database).collection('meta').findOne();
    const before = await meta();
    await initCollections(options());
    expect(await meta()).toEqual(before);
    expect(before).toMatchObject({ format: 1, shards: 16 });
  });

  test('say what differs, also a newer format, which no store opens', async () => {
    await client.db(database).collection('orders').drop();
    await client.db(database).createCollection('orders');
    expect(await checkCollections(options())).toEqual([
      'collection orders has no index {"tenant":1,"listedAs":-1}',
    ]);
    const metas = client.db(database).collection<{ _id: string }>('meta');
    await metas.updateOne({ _id: 'store' }, { $set: { format: 2 } });
    await expect(checkCollections(options())).rejects.toMatchObject({
      code: 'DATA_FORMAT_UNSUPPORTED',
    });
    const clock = { nowMs: () => 1 };
    await expect(
      openMongoStore({ ...options(), clock, cacheDirectory: '/nowhere' }),
    ).rejects.toMatchObject({ code: 'DATA_FORMAT_UNSUPPORTED' });
  });

  test('all stores of a fleet have one epoch', async () => {
    const fleet = await aFleet();
    const stores = await Promise.all([fleet.open(), fleet.open()]);
    const [left, right] = await Promise.all(stores.map((store) => store.storeEpoch()));
    expect(left).toEqual(right);
    await fleet.close();
  });
});

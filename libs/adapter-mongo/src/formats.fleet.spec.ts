import { MongoClient } from 'mongodb';
import { decideAlone } from '@certmill/ports/conformance';
import { openMongoStore } from './open-mongo-store.js';
import { aFleet, mongoUri, type Fleet } from './testing/a-mongo-store.js';
import {
  answersOf,
  goldenAnswers,
  goldenFormats,
  goldenTenant,
  loadGoldenStore,
} from './testing/golden-store.js';
import { issueAnOrder, nowMs } from './testing/issue-an-order.js';

/**
 * During a rolling upgrade processes of two releases work in one store: this one reads what each format
 * that it takes looks like in the database, and goes on in it.
 */
describe.each(goldenFormats())('a store of format %s', (format) => {
  let fleet: Fleet;
  let client: MongoClient;
  beforeEach(async () => {
    fleet = await aFleet();
    client = new MongoClient(mongoUri());
    await loadGoldenStore(client.db(fleet.database), format);
  });
  afterEach(async () => {
    await client.close();
    await fleet.close();
  });

  test('tells what it told when it was made', async () => {
    const store = await fleet.open();
    expect(await answersOf(store)).toEqual(goldenAnswers(format));
  });

  test('goes on: devices and keys stay taken, and new orders are issued', async () => {
    const store = await fleet.open({ clock: { nowMs: () => nowMs } });
    const { codes } = await decideAlone(store, goldenTenant, 'again', [
      'b0',
      { device: 'thief', key: 'key of b0' },
    ]);
    expect(codes).toEqual(['DEVICE_ALREADY_ISSUED', 'KEY_IN_USE']);
    await issueAnOrder(store, 'globex');
    expect(await store.reservedUnder('globex', 'order')).toBe(3);
  });

  test('is refused where it is newer than this release, or older than the one before', async () => {
    const metas = client.db(fleet.database).collection<{ _id: string }>('meta');
    for (const other of [Number(format) + 1, 0]) {
      await metas.updateOne({ _id: 'store' }, { $set: { format: other } });
      const cacheDirectory = '/nowhere';
      const clock = { nowMs: () => nowMs };
      const uri = mongoUri();
      await expect(
        openMongoStore({ uri, database: fleet.database, clock, cacheDirectory }),
      ).rejects.toMatchObject({ code: 'DATA_FORMAT_UNSUPPORTED' });
    }
  });
});

import { MongoClient } from 'mongodb';
import type { AllowListRow } from '@certmill/ports';
import { anOrder } from '@certmill/ports/conformance';
import type { MongoStore } from '../mongo-store.js';
import { aFleet, mongoUri, type Fleet } from '../testing/a-mongo-store.js';
import { HeldCalls } from '../testing/held-calls.js';

const hourMs = 3_600_000;
const noKey = new Uint8Array(32);

async function* rows(...deviceIds: readonly string[]): AsyncGenerator<AllowListRow> {
  for (const deviceId of deviceIds) yield await Promise.resolve({ deviceId });
}

describe('allow-lists in the database', () => {
  let fleet: Fleet;
  let store: MongoStore;
  let other: MongoStore;
  let nowMs = hourMs;
  let tests = 0;
  let tenant = '';
  const calls = new HeldCalls();
  const clock = { nowMs: () => nowMs };

  beforeAll(async () => {
    fleet = await aFleet();
    store = await fleet.open({ clock, around: calls.around, maxAllowListDevices: 200_000 });
    other = await fleet.open({ clock });
  });
  afterAll(() => fleet.close());
  beforeEach(async () => {
    tenant = `t${String((tests += 1))}`;
    await store.createOrder(anOrder(tenant));
  });

  async function blobs(): Promise<readonly string[]> {
    const client = new MongoClient(mongoUri());
    try {
      const found = client.db(fleet.database).collection<{ _id: string }>('allowLists').find();
      const ids = (await found.project<{ _id: string }>({ _id: 1 }).toArray()).map(
        ({ _id }) => _id,
      );
      return ids.filter((id) => id.startsWith(`${tenant}/`));
    } finally {
      await client.close();
    }
  }

  const found = async (from: MongoStore, ...deviceIds: readonly string[]) => {
    const queries = deviceIds.map((deviceId) => ({ deviceId, udid: noKey }));
    return (await from.lookUp(tenant, 'order', queries)).map((row) => row?.deviceId);
  };

  test('one of several pieces is found whole by another process', async () => {
    const count = 150_000;
    async function* many(): AsyncGenerator<AllowListRow> {
      for (let n = 0; n < count; n += 1) {
        const udid = (n + 1).toString(16).padStart(64, '0');
        yield await Promise.resolve({
          deviceId: `device-${String(n)}`,
          udid,
          model: 'M'.repeat(20),
        });
      }
    }
    expect(await store.importAllowList(tenant, 'order', many())).toBe(count);
    expect((await blobs()).length).toBeGreaterThan(1);
    const wanted = ['device-0', 'device-149999', 'device-150000'];
    expect(await found(other, ...wanted)).toEqual(['device-0', 'device-149999', undefined]);
  });

  test('a list over the limit is refused and leaves nothing', async () => {
    async function* tooMany(): AsyncGenerator<AllowListRow> {
      for (let n = 0; n <= 200_000; n += 1) yield await Promise.resolve({ deviceId: String(n) });
    }
    await expect(store.importAllowList(tenant, 'order', tooMany())).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    });
    expect(await blobs()).toEqual([]);
    expect(await found(store, '1')).toEqual([undefined]);
  });

  test('one that is replaced while it is fetched gives way to the new one; its pieces go', async () => {
    await other.importAllowList(tenant, 'order', rows('first'));
    const fetching = calls.hold('get allowLists');
    const looking = found(store, 'first', 'second');
    await fetching.reached;
    await other.importAllowList(tenant, 'order', rows('second'));
    fetching.release();
    expect(await looking).toEqual([undefined, 'second']);
    expect(await blobs()).toHaveLength(1);
  });

  test('what a killed import left is removed by a later one, and it can end no more', async () => {
    const ending = calls.hold('update orders');
    ending.release();
    await store.importAllowList(tenant, 'order', rows('in-force'));
    // Its next update of the order would put the list in force.
    const isStuck = Promise.withResolvers<undefined>();
    async function* stuck(): AsyncGenerator<AllowListRow> {
      yield await Promise.resolve({ deviceId: 'stuck' });
      isStuck.resolve(undefined);
    }
    const piece = calls.hold('insert allowLists');
    const killed = store.importAllowList(tenant, 'order', stuck());
    const outcome = killed.catch((error: unknown) => error);
    await Promise.all([isStuck.promise, piece.reached]);
    const putting = calls.hold('update orders');
    piece.release();
    await putting.reached;
    await other.importAllowList(tenant, 'order', rows('beside'));
    expect(await blobs()).toHaveLength(2);
    nowMs += 2 * hourMs;
    await other.importAllowList(tenant, 'order', rows('later'));
    expect(await blobs()).toHaveLength(1);
    putting.release();
    expect(await outcome).toMatchObject({ code: 'CONFLICT' });
    expect(await found(store, 'stuck', 'later')).toEqual([undefined, 'later']);
  });

  test('a list in force of which a piece is lost or damaged is told from a sound one', async () => {
    await store.importAllowList(tenant, 'order', rows('a'));
    const client = new MongoClient(mongoUri());
    const stored = client.db(fleet.database).collection<{ _id: string }>('allowLists');
    const _id = (await blobs())[0] ?? '';
    await stored.updateOne({ _id }, { $set: { bytes: Buffer.alloc(20_000) } });
    await expect(found(other, 'a')).rejects.toMatchObject({ code: 'FAULT_PROCESSING' });
    await stored.deleteOne({ _id });
    await expect(found(other, 'a')).rejects.toMatchObject({ code: 'FAULT_PROCESSING' });
    await client.close();
    await store.importAllowList(tenant, 'order', rows('a'));
    expect(await found(other, 'a')).toEqual(['a']);
  });
});

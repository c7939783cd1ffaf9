import { randomUUID } from 'node:crypto';
import { CertmillError, rejectionNumber } from '@certmill/domain';
import { decodeVerdict } from '@certmill/events';
import { statusSealsOf, type StatusSeals } from '@certmill/pipeline';
import { aBatch, aChange, aChunk, anOrder, type ChunkUnderTest } from '@certmill/ports/conformance';
import { MongoClient, type Db, type Document, type OptionalUnlessRequiredId } from 'mongodb';
import type { MongoStore } from '../mongo-store.js';
import { aFleet, mongoUri, type Fleet } from '../testing/a-mongo-store.js';
import { encodeRows, rowOfStatus } from './row-codec.js';
import type { LogDocument } from './scope-documents.js';
import { contentOf, MarksInMemory, type StatusMarks } from './scope-seals.js';

const tenant = 'acme';
const scope = { issuer: `${tenant}-ca`, shard: 0 };
const other = { issuer: `${tenant}-ca`, shard: 1 };
const revoke = { kind: 'revoke', reason: 'superseded', revokedAtMs: 5 } as const;
const hold = { kind: 'revoke', reason: 'certificateHold', revokedAtMs: 5 } as const;
const release = { kind: 'release', releasedAtMs: 6 } as const;
const revokedFor = (atMs: number) => ({ state: 'revoked', reason: 'superseded', atMs });
const forged = { code: 'FAULT_STATUS_FORGED' };

const secrets = ['old', 'new'].map((id, i) => [id, new Uint8Array(32).fill(i + 1)] as const);
const [oldKey, newKey] = [new Map(secrets.slice(0, 1)), new Map(secrets)];
const sealing = (id: 'old' | 'new', opening: ReadonlyMap<string, Uint8Array>): StatusSeals =>
  statusSealsOf({ sealing: { id, secret: newKey.get(id) ?? new Uint8Array() }, opening });
const seals = sealing('old', oldKey);

async function issueTo(store: MongoStore, count: number): Promise<ChunkUnderTest> {
  await store.createTenant(tenant, 1);
  await store.createOrder(anOrder(tenant, { quota: 100_000 }));
  const batch = await store.openBatch(aBatch(tenant, 'b'));
  const chunk = aChunk(
    batch,
    Array.from({ length: count }, (_, i) => `d${String(i)}`),
  );
  await store.registerChunk(chunk.registration);
  await store.confirmChunk(chunk.ref);
  await store.decide(chunk.decision);
  await store.publish(chunk.terminal());
  return chunk;
}

describe('who can write the store', () => {
  let fleet: Fleet;
  let client: MongoClient;
  let db: Db;
  let ingest: MongoStore;
  let chunk: ChunkUnderTest;
  /** What the scope said of itself before the last change, and after it. */
  let earlier: Document | undefined;
  const own = { _id: `${scope.issuer}/0` };
  const putBack = async (document = kept.get('crlScopes')?.[0]): Promise<void> => {
    await scopes().replaceOne(own, document as never);
  };
  /** What the process of sign has seen. */
  let marks: StatusMarks;
  /** The documents of the scopes as ingest left them. */
  const kept = new Map<string, readonly OptionalUnlessRequiredId<Document>[]>();
  beforeAll(async () => {
    fleet = await aFleet();
    client = new MongoClient(mongoUri(), { promoteBuffers: true });
    db = client.db(fleet.database);
    ingest = await fleet.open({ statusSeals: seals });
    chunk = await issueTo(ingest, 8);
    for (const index of [0, 1, 2, 3]) {
      earlier = (await scopes().findOne(own)) ?? undefined;
      await ingest.changeStatuses([aChange(chunk, index, revoke)]);
    }
    await ingest.changeStatuses([{ ...aChange(chunk, 7, revoke), scope: other }]);
    for (const name of ['crlScopes', 'crlLogs', 'crlBlocks', 'crls', 'statuses']) {
      kept.set(name, await db.collection(name).find().toArray());
    }
  });
  beforeEach(async () => {
    for (const [name, documents] of kept) {
      await db.collection(name).deleteMany({});
      if (documents.length > 0) await db.collection(name).insertMany([...documents]);
    }
    ingest = await fleet.open({ statusSeals: seals });
    marks = new MarksInMemory();
  });
  afterAll(async () => {
    await client.close();
    await fleet.close();
  });

  const sign = (statusMarks = marks): Promise<MongoStore> =>
    fleet.open({ statusSeals: seals, statusMarks });
  const log = () => db.collection<{ _id: string; rows: Buffer; changes: number }>('crlLogs');
  const scopes = () => db.collection<{ _id: string }>('crlScopes');
  const entry = (number: number): string => `${scope.issuer}/0/${String(number)}`;
  const listed = async (store: MongoStore): Promise<number> =>
    (await store.listRevoked(scope, { limit: 10 })).length;
  const expectRefused = async (store: MongoStore): Promise<void> => {
    await expect(store.listRevoked(scope, { limit: 10 })).rejects.toMatchObject(forged);
    await expect(store.listRevoked(scope, { limit: 10, changedSince: 2 })).rejects.toMatchObject(
      forged,
    );
    await expect(store.countChanges(scope)).rejects.toMatchObject(forged);
    // Nothing else of the store stops, and other scopes go on.
    expect(await store.countChanges(other)).toBe(1);
  };
  const edit = async (number: number, change: (rows: Buffer) => void): Promise<void> => {
    const found = await log().findOne({ _id: entry(number) });
    const rows = Buffer.from(found?.rows ?? []);
    change(rows);
    await log().updateOne({ _id: entry(number) }, { $set: { rows } });
  };

  /** Of a row: 20 octets of serial number, then reason, time, invalidity, end and count. */
  const inner: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['alters a serial number', () => edit(2, (rows) => rows.writeUInt8(0xff, 19))],
    ['alters a reason', () => edit(2, (rows) => rows.writeDoubleBE(6, 20))],
    ['alters a time', () => edit(2, (rows) => rows.writeDoubleBE(9, 28))],
    ['alters the end of a certificate', () => edit(2, (rows) => rows.writeDoubleBE(1, 44))],
    [
      'empties an entry',
      () => log().updateOne({ _id: entry(2) }, { $set: { rows: Buffer.of(), places: [] } }),
    ],
    [
      'says that an entry is in a snapshot',
      () => log().updateOne({ _id: entry(2) }, { $set: { isFolded: true } }),
    ],
    ['alters a count', () => log().updateOne({ _id: entry(4) }, { $set: { changes: 3 } })],
    ['takes a seal away', () => log().updateOne({ _id: entry(2) }, { $unset: { seal: '' } })],
    ['alters a row, and keeps the hash of what the entry said', () => keepHash(2)],
    ['writes a count as text', () => asText(4, 'changes')],
    ['writes a time as text', () => asText(4, 'atMs')],
    ['takes the rows away', () => log().updateOne({ _id: entry(4) }, { $unset: { rows: '' } })],
    ['takes the places away', () => log().updateOne({ _id: entry(4) }, { $unset: { places: '' } })],
    ['swaps two entries', () => copy([2, 3], [3, 2])],
    ['doubles an entry', () => copy([2, 5])],
    ['puts an entry over another', () => copy([2, 3])],
    ['takes an entry out and closes the gap', () => copy([3, 2], [4, 3])],
    ['inserts an entry of another scope', () => copyForeign(5)],
    ['puts an entry of another scope over one', () => copyForeign(4)],
    [
      'adds a snapshot',
      () =>
        scopes().updateOne(
          { _id: `${scope.issuer}/0` },
          {
            $set: {
              snapshot: {
                ...{ id: 'x', upTo: 4, rows: 0, changes: 4, firsts: [], digests: [] },
                ...{ head: '', seal: `old.${'0'.repeat(64)}` },
              },
            },
          },
        ),
    ],
  ];
  async function asText(number: number, field: 'changes' | 'atMs'): Promise<void> {
    const found = (await log().findOne({ _id: entry(number) })) as unknown as LogDocument;
    await log().updateOne({ _id: entry(number) }, { $set: { [field]: String(found[field]) } });
  }
  async function keepHash(number: number): Promise<void> {
    const found = (await log().findOne({ _id: entry(number) })) as unknown as LogDocument;
    const content = Buffer.from(contentOf(found));
    await edit(number, (rows) => rows.writeUInt8(0xff, 19));
    await log().updateOne({ _id: entry(number) }, { $set: { content } });
  }
  async function copy(...moves: readonly (readonly [number, number])[]): Promise<void> {
    const found = new Map(
      (await log().find().toArray()).map((document) => [document._id, document] as const),
    );
    for (const [from, to] of moves) {
      const fields = { ...found.get(entry(from)), _id: entry(to) };
      await log().replaceOne({ _id: entry(to) }, fields as never, { upsert: true });
    }
    if (moves.length === 2 && moves[1]?.[0] === 4) await log().deleteOne({ _id: entry(4) });
  }
  async function copyForeign(to: number): Promise<void> {
    const found = await log().findOne({ _id: `${scope.issuer}/1/1` });
    const fields = { ...found, _id: entry(to) };
    await log().replaceOne({ _id: entry(to) }, fields as never, { upsert: true });
  }

  test.each(inner)('is found out who %s', async (_, forge) => {
    const sound = await sign(new MarksInMemory());
    expect(await listed(sound)).toBe(4);
    await forge();
    await expectRefused(await sign());
  });

  test('is found out who cuts off what sign has seen, also after its next start', async () => {
    expect(await listed(await sign())).toBe(4);
    await log().deleteOne({ _id: entry(4) });
    for (const seen of [marks, new MarksInMemory()]) await expectRefused(await sign(seen));
    const restarted = await fleet.open({ statusSeals: seals });
    const change = restarted.changeStatuses([aChange(chunk, 5, revoke)]);
    await expect(change).rejects.toMatchObject(forged);
    // Sealed by ingest, that believes the scope as it was before: another entry in the place.
    await putBack(earlier);
    await restarted.changeStatuses([aChange(chunk, 5, revoke)]);
    await expectRefused(await sign());
    await scopes().deleteOne(own);
    await expectRefused(await sign());
  });

  test('is found out by ingest, which builds nothing on a log that is another', async () => {
    await ingest.changeStatuses([aChange(chunk, 4, revoke)]);
    await log().deleteOne({ _id: entry(5) });
    await putBack();
    await expect(ingest.changeStatuses([aChange(chunk, 5, revoke)])).rejects.toMatchObject(forged);
  });

  test('cannot have ingest write where nobody reads, or count what delta CRLs pass over', async () => {
    for (const lie of [
      { applied: 9, changes: 9 },
      { applied: 4, changes: 1 },
    ]) {
      await scopes().updateOne(own, { $set: lie });
      for (const store of [ingest, await fleet.open({ statusSeals: seals })]) {
        const change = store.changeStatuses([aChange(chunk, 5, revoke)]);
        await expect(change).rejects.toMatchObject(forged);
      }
    }
    // Nothing came of it: the log goes on where it was.
    await putBack();
    await ingest.changeStatuses([aChange(chunk, 5, revoke)]);
    expect(await listed(await sign())).toBe(5);
  });

  /** As ingest writes it, but for its seal: who writes it has no key. */
  async function slipIn(change: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const [place, notAfterMs] = [`${tenant}/${chunk.ref.batchId}/6`, Date.now() + 86_400_000];
    const { serialNumber } = aChange(chunk, 6, revoke);
    const status = { state: 'revoked', reason: 'keyCompromise', atMs: 5 } as const;
    const row = rowOfStatus(status, { serialNumber, notAfterMs, change: 5 });
    const said = { places: [place], rows: Buffer.from(encodeRows([row])), changes: 5, atMs: 5 };
    const seal = `old.${'0'.repeat(64)}`;
    await log().insertOne({ _id: entry(5), ...said, seal, writer: 'x', ...change } as never);
    await scopes().updateOne(own, { $set: { intended: 5 } });
  }
  const changedShards = async (store: MongoStore): Promise<readonly number[]> => {
    const page = { issuers: [scope.issuer], limit: 10 };
    return (await store.listChangedScopes('full', page)).map(({ shard }) => shard);
  };

  test('has nothing follow from an entry that it slips in: no status, no key, no claim', async () => {
    await slipIn();
    const reader = await sign();
    expect(await changedShards(reader)).toEqual([0, 1]);
    await expectRefused(reader);
    const change = ingest.changeStatuses([aChange(chunk, 5, revoke)]);
    await expect(change).rejects.toMatchObject(forged);
    expect(await ingest.getStatus(tenant, chunk.ref.batchId, 6)).toEqual({ state: 'good' });
    // The next certificate of that device, for that key: both are still taken.
    const batch = await ingest.openBatch(aBatch(tenant, randomUUID()));
    const renewed = aChunk(batch, ['d6']);
    await ingest.registerChunk(renewed.registration);
    await ingest.confirmChunk(renewed.ref);
    const { codes } = decodeVerdict(await ingest.decide(renewed.decision));
    expect(codes).toEqual([rejectionNumber('DEVICE_ALREADY_ISSUED')]);
  });

  test.each([
    ['rows of no length that there is', { rows: Buffer.of(1, 2, 3) }],
    ['rows that are none', { rows: 7 }],
    ['places that are none', { places: 7 }],
    ['places of another kind', { places: [7] }],
    ['no fields', { rows: undefined, places: undefined, changes: undefined, seal: undefined }],
    ['a seal that is none', { seal: ['old.00'] }],
  ])('stops no other scope with an entry of %s', async (_, change) => {
    await slipIn(change);
    const reader = await sign();
    expect(await changedShards(reader)).toEqual([0, 1]);
    expect(await reader.countChanges(other)).toBe(1);
    await expectRefused(reader);
  });

  test.each([
    ['says of another kind what is applied', { applied: '4' }],
    ['says of another kind how many changes there are', { changes: '4' }],
    ['says of another kind when it changed', { changedAtMs: 'now' }],
    ['says that it is another', { shard: 1 }],
    ['says that it is another in words', { shard: '0' }],
  ])('stops no other scope with one that %s', async (_, said) => {
    await scopes().updateOne(own, { $set: { ...said, intended: 5 } });
    const reader = await sign();
    expect(await changedShards(reader)).toEqual([0, 1]);
    await expectRefused(reader);
    await expect(ingest.changeStatuses([aChange(chunk, 5, revoke)])).rejects.toMatchObject(forged);
  });

  /** By a process that dies before anything follows from it. */
  async function leave(index: number): Promise<void> {
    const around = async <T>(step: string, call: () => Promise<T>): Promise<T> => {
      if (step === 'put statuses') throw new CertmillError('FAULT_STORE_DOWN', 'it died');
      return call();
    };
    const dying = await fleet.open({ statusSeals: seals, around });
    await dying.changeStatuses([aChange(chunk, index, revoke)]).catch(() => undefined);
  }

  test('a store that is opened for reading tells what a writer left, and is as it was', async () => {
    await leave(5);
    await slipIn({ _id: entry(6) });
    const { batchId } = chunk.ref;
    const everything = async () => {
      const collections = await db.collections();
      const found = collections.map((each) => each.find().sort({ _id: 1 }).toArray());
      return JSON.stringify(await Promise.all(found));
    };
    const before = await everything();
    const refused = await fleet.open({ statusSeals: seals, isReadOnly: true });
    await expectRefused(refused);
    await log().deleteOne({ _id: entry(6) });
    const after = await everything();
    expect(after).not.toBe(before);
    const reader = await fleet.open({ statusSeals: seals, isReadOnly: true });
    expect(await reader.getStatus(tenant, batchId, 5)).toMatchObject(revokedFor(5));
    expect((await reader.listStatuses(tenant, batchId, 4, 2)).size).toBe(1);
    expect([await reader.countChanges(scope), await listed(reader)]).toEqual([5, 5]);
    expect(await changedShards(reader)).toEqual([0, 1]);
    const change = reader.changeStatuses([aChange(chunk, 4, revoke)]);
    await expect(change).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(reader.createTenant('other', 1)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await everything()).toBe(after);
  });

  test('does not decide what a change makes of a certificate: what ingest recorded does', async () => {
    type Fields = Readonly<Record<string, unknown>>;
    const statuses = db.collection<{ _id: string }>('statuses');
    const write = (index: number, status: Fields) => {
      const _id = `${tenant}/${chunk.ref.batchId}/${String(index)}`;
      return statuses.replaceOne({ _id }, status, { upsert: true });
    };
    const onHold = { state: 'revoked', reason: 6, atMs: 5, entry: 1 };
    await write(0, onHold);
    await write(1, { state: 'released', atMs: 6, entry: 2 });
    await write(2, { state: 'released', atMs: 6, entry: 3 });
    await write(5, onHold);
    await write(6, { state: 'revoked', reason: 4, atMs: 5, entry: 1 });
    const notEnded = { notAfterMs: Date.now() + 86_400_000 };
    const changes = [
      aChange(chunk, 0, release),
      aChange(chunk, 1, revoke),
      aChange(chunk, 2, hold),
      aChange(chunk, 5, release, notEnded),
      aChange(chunk, 6, revoke, notEnded),
    ];
    const outcomes = await ingest.changeStatuses(changes);
    expect(outcomes).toEqual(['refused', 'unchanged', 'refused', 'refused', 'changed']);
    expect(await listed(await sign())).toBe(5);
  });

  test('cannot have taken for applied what was not', async () => {
    await leave(5);
    await scopes().updateOne(own, { $set: { applied: 5, changes: 5 } });
    await expectRefused(await sign());
    await expect(ingest.changeStatuses([aChange(chunk, 4, revoke)])).rejects.toMatchObject(forged);
    // As it was before: what its writer left is there.
    await putBack();
    expect(await listed(await sign())).toBe(5);
    expect(await ingest.getStatus(tenant, chunk.ref.batchId, 5)).toMatchObject(revokedFor(5));
  });

  test('of a CRL that says it has more than it has, sign makes the next one from the beginning', async () => {
    const store = await sign();
    const crl = {
      ...{ scope, kind: 'full' as const, crlNumber: 7n, thisUpdateMs: 1, nextUpdateMs: 2 },
      ...{ entries: 2, changes: 2, hasDeltas: true, der: Buffer.from('crl') },
    };
    expect(await store.putCrl(crl, undefined)).toBe(true);
    expect((await store.describeCrl(scope, 'full'))?.changes).toBe(2);
    await db.collection('crls').updateMany({}, { $set: { changes: 4 } });
    expect((await store.describeCrl(scope, 'full'))?.changes).toBe(0);
    expect(Buffer.from((await store.getCrl(scope, 'full'))?.der ?? []).toString()).toBe('crl');
  });

  describe('with a snapshot', () => {
    /** More changes than a tail has. */
    async function takeSnapshot(store: MongoStore): Promise<void> {
      const changes = Array.from({ length: 1_000 }, (_, i) =>
        aChange(chunk, 4, i % 2 === 0 ? hold : release),
      );
      for (let turn = 0; turn < 17; turn += 1) await store.changeStatuses(changes);
    }
    const blocks = () => db.collection<{ _id: string; rows: Buffer }>('crlBlocks');

    test('is found out who alters, drops or replaces any of it', async () => {
      expect(await listed(await sign())).toBe(4);
      await takeSnapshot(ingest);
      const said = await scopes().findOne(own);
      const { snapshot } = said as unknown as { snapshot: { upTo: number; firsts: string[] } };
      expect(snapshot.upTo).toBeGreaterThan(4);
      // On from what it had seen, through entries that are emptied.
      expect(await listed(await sign())).toBeGreaterThanOrEqual(4);
      const [block] = await blocks().find().toArray();
      const rows = Buffer.from(block?.rows ?? []);
      rows.writeDoubleBE(6, 20);
      for (const altered of [rows, 7]) {
        const change = { $set: { rows: altered as Buffer } };
        await blocks().updateOne({ _id: block?._id ?? '' }, change);
        await expect(listed(await sign())).rejects.toMatchObject(forged);
      }
      await blocks().deleteMany({});
      await expect(listed(await sign())).rejects.toMatchObject(forged);
      const { upTo } = snapshot;
      for (const change of [
        { upTo: 3 },
        { upTo: String(upTo) },
        { firsts: [], digests: [], rows: 0 },
      ]) {
        const altered = { $set: { snapshot: { ...snapshot, ...change } } };
        await scopes().updateOne(own, altered);
        await expectRefused(await sign(new MarksInMemory()));
        await expectRefused(await sign());
      }
      await scopes().updateOne(own, { $unset: { snapshot: '' } });
      await expectRefused(await sign(new MarksInMemory()));
      await expectRefused(await sign());
    });
  });

  test('goes on through a rotation of keys, whoever is a step behind', async () => {
    const steps = [sealing('old', newKey), sealing('new', newKey), sealing('old', newKey)];
    for (const [i, statusSeals] of steps.entries()) {
      const store = await fleet.open({ statusSeals });
      await store.changeStatuses([aChange(chunk, 4 + i, revoke)]);
    }
    const rotated = await fleet.open({ statusSeals: sealing('new', newKey) });
    expect(await listed(rotated)).toBe(7);
    const ids = (await log().find().toArray()).map((each) => [
      each._id,
      (each as unknown as { seal: string }).seal.split('.')[0],
    ]);
    expect(Object.fromEntries(ids)).toMatchObject({
      [entry(5)]: 'old',
      [entry(6)]: 'new',
      // Its writer seals with the older key, but for what follows the newer one.
      [entry(7)]: 'new',
    });
    // Who has the older key only cannot tell what the newer one sealed.
    await expect(listed(await fleet.open({ statusSeals: seals }))).rejects.toMatchObject(forged);
  });

  test('several that change statuses at once, and one that reads, are one chain', async () => {
    const stores = await Promise.all([1, 2, 3].map(() => fleet.open({ statusSeals: seals })));
    const reader = await sign();
    const changed = new AbortController();
    const reading = (async () => {
      while (!changed.signal.aborted) await listed(reader);
    })();
    await Promise.all(
      stores.map(async (store, i) => {
        for (let turn = 0; turn < 10; turn += 1) {
          await store.changeStatuses([aChange(chunk, 4 + i, turn % 2 === 0 ? hold : release)]);
        }
      }),
    );
    changed.abort();
    await reading;
    expect(await reader.countChanges(scope)).toBe(34);
    expect(await listed(await sign(new MarksInMemory()))).toBe(4);
  });
});

import assert from 'node:assert/strict';
import { hash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openEmbeddedStore, type EmbeddedStore } from '@certmill/adapter-embedded';
import {
  initCollections,
  openMongoStore,
  openStoreImport,
  type AroundCall,
  type MongoStore,
} from '@certmill/adapter-mongo';
import { CertmillError } from '@certmill/domain';
import { statusKeysOf, statusSealsOf } from '@certmill/pipeline';
import { aBatch, aChange, anOrder, decideAlone, type Stores } from '@certmill/ports/conformance';
import { carryStore } from './carry-store.js';
import { compareStores } from './compare-stores.js';
import type { MigrationSource } from './migration-source.js';
import {
  deviceNames,
  keyNames,
  lateMs,
  liveThrough,
  randomOf,
  tenants,
} from './random-history.fixture.js';

const clock = { nowMs: () => Date.UTC(2026, 0, 2) };
const statusSeals = statusSealsOf(statusKeysOf(new Uint8Array(32)));
const silent = (): void => undefined;

let folder = '';
let source: EmbeddedStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certmill-carry-'));
  source = await openEmbeddedStore({ directory: join(folder, 'store'), clock });
});
afterEach(async () => {
  await source.close();
  await rm(folder, { recursive: true, force: true });
});

const usedApprovals = {
  operationId: 'ab'.repeat(16),
  useId: 'run-1',
  usedAt: '2026-11-22T12:00:00.000Z',
  kind: 'mass-revocation',
  sha256: 'cd'.repeat(32),
  approvals: [{ approver: 'alice' }],
};

function sourceOf(): MigrationSource {
  return {
    store: source,
    logDirectory: join(folder, 'log'),
    issuers: [],
    serialKeys: [],
    hopSecret: new Uint8Array(32),
    usedApprovals: [usedApprovals],
    retire: () => Promise.resolve(),
  };
}

/** Carries it over, beginning again after each fault; resolves to how many there were. */
async function carryOver(options: { uri: string; database: string }, around: AroundCall) {
  const epoch = await source.storeEpoch();
  for (let faults = 0; ; faults += 1) {
    const into = await openStoreImport({ ...options, statusSeals, clock, around });
    try {
      // It may die when the end is stored.
      if ((await into.begin('this one', epoch)) === 'ended') return faults;
      await carryStore(sourceOf(), into, new Map(), silent);
      await into.end('this one');
      expect(await into.begin('this one', epoch)).toBe('ended');
      return faults;
    } catch (error) {
      expect(error).toMatchObject({ code: 'FAULT_STORE_DOWN' });
    } finally {
      await into.stop();
    }
  }
}

const hit = async (store: Stores, tenant: string, deviceId: string) =>
  (await store.findByDevice(tenant, deviceId, 100)).map(({ batchId, index }) => [batchId, index]);
const hitByKey = async (store: Stores, tenant: string, key: string) =>
  (await store.findByUdid(tenant, hash('sha256', key, 'buffer'), 100)).map(({ batchId, index }) => [
    batchId,
    index,
  ]);

describe.each([1, 2, 3])(
  'a store with a past of its own (%i), carried over by fits and starts',
  (seed) => {
    const database = `certmill-test-${randomUUID()}`;
    const uri = process.env['MONGODB_URI'] ?? '';
    let store: MongoStore | undefined;

    beforeEach(async () => {
      assert.ok(uri, 'MONGODB_URI is not set: run npm run test:fleet');
      const random = randomOf(seed);
      await liveThrough(source, random);
      await initCollections({ uri, database });
      // The process dies, before an effect or after it, again and again and each time somewhat later.
      let calls = 0;
      let diesAt = 10;
      const faults = await carryOver({ uri, database }, async (step, call) => {
        calls += 1;
        if (calls !== diesAt) return call();
        calls = 0;
        diesAt += 3 + Math.floor(random() * 12);
        if (random() < 0.5) await call();
        throw new CertmillError('FAULT_STORE_DOWN', `died at ${step}`);
      });
      expect(faults).toBeGreaterThan(3);
      const where = { uri, database, clock, cacheDirectory: join(folder, 'cache') };
      store = await openMongoStore({ ...where, statusSeals });
    });
    afterEach(() => store?.stop(1_000));

    test('tells and decides what it would have', async () => {
      assert.ok(store);
      expect(await compareStores(sourceOf(), store, silent)).toEqual([]);
      const replay = { ...usedApprovals, useId: 'run-2' };
      expect(await store.useApprovals(replay)).toEqual(usedApprovals);
      const { counts } = await source.readOut().survey();
      expect(counts.verdicts).toBe(100);
      let found = 0;
      const codes = new Set<string | undefined>();
      let freed = 0;
      for (const tenant of tenants) {
        for (const [i, deviceId] of deviceNames.entries()) {
          const key = keyNames[i] ?? '';
          const wanted = await hit(source, tenant, deviceId);
          expect(await hit(store, tenant, deviceId)).toEqual(wanted);
          expect(await hitByKey(store, tenant, key)).toEqual(await hitByKey(source, tenant, key));
          found += wanted.length;
        }
        // Whatever is asked from now on, both say the same.
        for (const [i, device] of deviceNames.entries()) {
          for (const [key, place] of [
            [keyNames[i] ?? '', {}],
            [keyNames[(i + 1) % keyNames.length] ?? '', {}],
            [keyNames[i] ?? '', { receivedAtMs: lateMs }],
          ] as const) {
            const asked = [{ device, key }];
            const name = `after ${device} ${key} ${String('receivedAtMs' in place)}`;
            const { codes: there } = await decideAlone(store, tenant, name, asked, place);
            const { codes: here } = await decideAlone(source, tenant, name, asked, place);
            expect([device, key, there]).toEqual([device, key, here]);
            codes.add(here[0]);
            if ('receivedAtMs' in place && here[0] === undefined) freed += 1;
          }
        }
      }
      expect(codes).toContain('DEVICE_ALREADY_ISSUED');
      expect(codes).toContain('KEY_IN_USE');
      const { items } = await store.listOperations('acme', { limit: 9 });
      const carried = items.map(({ operationId, state, cursor }) => [
        operationId,
        state,
        cursor.batch,
      ]);
      expect(carried).toEqual([
        ['mass-cancelled', 'cancelled', 4],
        ['mass-done', 'done', 3],
        ['mass-failed', 'failed', 2],
        ['mass-paused', 'paused', 1],
        ['mass-running', 'paused', 0],
      ]);
      expect(freed).toBeGreaterThan(0);
      expect(found).toBeGreaterThan(20);
    });
  },
);

describe('a store that is filled', () => {
  const uri = process.env['MONGODB_URI'] ?? '';
  const options = () => ({ uri, database: `certmill-test-${randomUUID()}` });

  test('opens for nobody until it is whole, and takes nothing from another folder', async () => {
    const where = options();
    await initCollections(where);
    const epoch = await source.storeEpoch();
    const into = await openStoreImport({ ...where, statusSeals, clock });
    expect(await into.begin('one', epoch)).toBe('begun');
    const open = () =>
      openMongoStore({ ...where, clock, cacheDirectory: join(folder, randomUUID()) });
    await expect(open()).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining("run 'certmill migrate' again") as string,
    });
    await expect(into.begin('another', epoch)).rejects.toMatchObject({ code: 'CONFLICT' });
    await into.end('one');
    const store = await open();
    expect(await store.storeEpoch()).toEqual(epoch);
    await store.stop(1_000);
    await into.stop();
  });

  test.each([
    ['whose rows are all gone', 'DELETE FROM revocations'],
    [
      'that was emptied',
      `DELETE FROM revocations; UPDATE crl_scopes SET changes = 0, sealed = x''`,
    ],
    ['that is gone itself, beside its CRL', 'DELETE FROM revocations; DELETE FROM crl_scopes'],
  ])('takes nothing from a folder with a scope %s', async (_, sql) => {
    await source.close();
    const directory = join(folder, 'sealed');
    const own = { directory, clock, statusSecret: new Uint8Array(32) };
    source = await openEmbeddedStore(own);
    await source.createTenant('acme', 1);
    await source.createOrder(anOrder('acme'));
    const { chunk: issued } = await decideAlone(source, 'acme', 'b', [{ device: 'd', key: 'k' }]);
    await source.publish(issued.terminal());
    await source.changeStatuses([
      aChange(issued, 0, { kind: 'revoke', reason: 'superseded', revokedAtMs: 5 }),
    ]);
    const { scope } = aChange(issued, 0, { kind: 'release', releasedAtMs: 6 });
    const times = { crlNumber: 1n, thisUpdateMs: 1, nextUpdateMs: 2 };
    const counts = { entries: 1, changes: 1, hasDeltas: false, der: Buffer.from('crl') };
    await source.putCrl({ scope, kind: 'full', ...times, ...counts }, undefined);
    await source.close();
    const db = new DatabaseSync(join(directory, 'certmill.db'));
    db.exec(sql);
    db.close();
    source = await openEmbeddedStore(own);
    const where = options();
    await initCollections(where);
    const into = await openStoreImport({ ...where, statusSeals, clock });
    await into.begin('one', await source.storeEpoch());
    await expect(carryStore(sourceOf(), into, new Map(), silent)).rejects.toMatchObject({
      code: 'FAULT_STATUS_FORGED',
    });
    await into.stop();
  });

  test('is one that no fleet has worked in', async () => {
    const where = options();
    await initCollections(where);
    const store = await openMongoStore({ ...where, clock, cacheDirectory: join(folder, 'c') });
    await store.openBatch(aBatch('acme', 'first'));
    await store.stop(1_000);
    const into = await openStoreImport({ ...where, statusSeals, clock });
    await expect(into.begin('one', new Uint8Array(16))).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('collection batches is not empty') as string,
    });
    await into.stop();
  });
});

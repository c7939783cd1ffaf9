import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  aMassOperation,
  aBatch,
  aChange,
  aChunk,
  anOrder,
  decideAlone,
} from '@certmill/ports/conformance';
import { restoreEmbeddedStore } from './back-up.js';
import { openEmbeddedStore, type EmbeddedStore } from './embedded-store.js';
import {
  batch,
  chunkCount,
  chunkOf,
  codesOf,
  issueFleet,
  order,
  tenant,
} from './issue-fleet.fixture.js';
import { runningOperationsSql } from './mass-operation-table.js';
import { faultyDisk } from './faulty-disk-url.fixture.js';
import { storeFiles } from './store-files.js';

const clock = { nowMs: () => 1 };
const toFormat2 = `DROP TABLE crl_scopes; DROP TABLE revocations; DROP TABLE crls; DROP TABLE audit;
  DROP TABLE mass_operations; DROP TABLE frozen_pages;
  DROP TABLE mass_outcomes;
  ALTER TABLE statuses DROP COLUMN invalidity_date_ms; ALTER TABLE orders DROP COLUMN renews;
  ALTER TABLE orders DROP COLUMN reissues;
  ALTER TABLE chunks DROP COLUMN not_after_ms;
  PRAGMA user_version = 2`;
const massOperation = aMassOperation({ tenant, freezeId: '', frozenBatches: 1 });
const noAcknowledgement = (): void => undefined;

describe('the embedded store', () => {
  let parent = '';
  let directory = '';
  let store: EmbeddedStore;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'certmill-store-'));
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

  function downgrade(...statements: readonly string[]): void {
    const db = new DatabaseSync(storeFiles(directory).database);
    for (const statement of statements) db.exec(statement);
    db.close();
  }

  test('drops at its start the pages of a selection whose operation was never added', async () => {
    const name = { ...massOperation, freezeId: 'kept' };
    const lost = { ...massOperation, freezeId: 'lost' };
    const page = [{ batchId: 'b', orderId: 'order', nextIndex: 1 }];
    await store.putFrozenPage(name, 0, page);
    await store.putFrozenPage(lost, 0, page);
    await store.addOperation(name);
    await reopen();
    expect(await store.frozenPage(name, 0)).toEqual(page);
    expect(await store.frozenPage(lost, 0)).toEqual([]);
  });

  test('finds the operations that run by an index', async () => {
    await store.close();
    const db = new DatabaseSync(storeFiles(directory).database);
    const plan = db.prepare(`EXPLAIN QUERY PLAN ${runningOperationsSql}`).all(9, 9);
    expect(JSON.stringify(plan)).toContain('running_mass_operations');
    db.close();
    store = await openEmbeddedStore({ directory, clock });
  });

  test('holds everything over a restart, its epoch too', async () => {
    await issueFleet(store, noAcknowledgement);
    await store.importAllowList(tenant, 'order', rows('listed'));
    await store.add('webhook', { id: 'job', data: { batch: 'b' } });
    const epoch = await store.storeEpoch();
    await reopen();
    expect(await store.storeEpoch()).toEqual(epoch);
    expect(await store.getBatch(tenant, batch.batchId)).toMatchObject({ counters: { issued: 30 } });
    expect(await store.count('webhook', 'waiting')).toBe(1);
    const query = [{ deviceId: 'listed', udid: new Uint8Array(32) }];
    expect(await store.lookUp(tenant, 'order', query)).toEqual([{ deviceId: 'listed' }]);
    expect(await store.findByDevice(tenant, 'd1', 5)).toHaveLength(2);
  });

  test('finds claims and certificates in runs, in memory and in the journal alike', async () => {
    // More entries than memory holds until a flush: 2 of each map per request.
    const devicesPerChunk = 256;
    const chunks = 300;
    await store.createOrder(anOrder(tenant, { quota: 1_000_000 }));
    await store.openBatch(batch);
    const nameOf = (index: number): string => `device-${String(index)}`;
    let next = 0;
    const work = async (): Promise<void> => {
      for (let n = next++; n < chunks; n = next++) {
        const firstIndex = n * devicesPerChunk;
        const devices = Array.from({ length: devicesPerChunk }, (_, i) => nameOf(firstIndex + i));
        const chunk = aChunk(batch, devices, { chunkNumber: n, firstIndex });
        await store.registerChunk(chunk.registration);
        await store.confirmChunk(chunk.ref);
        await store.decide(chunk.decision);
        await store.publish(chunk.terminal());
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
    await reopen();
    const { claims, index } = await store.stats();
    for (const map of [claims, index]) {
      expect(map.runs).toBeGreaterThan(0);
      expect(map.entriesInMemory + map.entriesInRuns).toBe(2 * chunks * devicesPerChunk);
    }
    for (const wanted of [0, 1, 38_399, chunks * devicesPerChunk - 1]) {
      const found = await store.findByDevice(tenant, nameOf(wanted), 5);
      expect(found.map((request) => request.index)).toEqual([wanted]);
      const { codes } = await decideAlone(store, tenant, nameOf(wanted), [nameOf(wanted)]);
      expect(codes).toEqual(['DEVICE_ALREADY_ISSUED']);
    }
  });

  test('a backup made while chunks are issued is whole, and restored it has another epoch', async () => {
    await store.createTenant(tenant, 1);
    await store.createOrder(order);
    await store.importAllowList(tenant, 'order', rows('listed'));
    const copy = join(parent, 'copy');
    const [, failures] = await Promise.all([
      store.backupTo(copy),
      issueFleet(store, noAcknowledgement),
    ]);
    expect(failures).toBe(0);
    const restored = join(parent, 'restored');
    await restoreEmbeddedStore(copy, restored);
    await expect(restoreEmbeddedStore(copy, restored)).rejects.toMatchObject({ code: 'CONFLICT' });
    const other = await openEmbeddedStore({ directory: restored, clock });
    expect(Buffer.from(await other.storeEpoch())).not.toEqual(
      Buffer.from(await store.storeEpoch()),
    );
    const query = [{ deviceId: 'listed', udid: new Uint8Array(32) }];
    expect(await other.lookUp(tenant, 'order', query)).toEqual([{ deviceId: 'listed' }]);
    for (let n = 0; n < chunkCount; n += 1) {
      const chunk = chunkOf(n);
      if ((await other.chunkState(chunk.ref))?.ended === true) {
        const segment = await other.getSegment(chunk.ref);
        expect(Buffer.from(segment ?? [])).toEqual(Buffer.from(chunk.terminal().segment));
      }
    }
    // What it had accepted goes on to its end, the rest comes in a new batch: the quota is used to
    // the last.
    for (let n = 0; n < chunkCount; n += 1) {
      const chunk = chunkOf(n);
      const state = await other.chunkState(chunk.ref);
      if (state === undefined) continue;
      if (!state.durable) {
        await expect(other.confirmChunk(chunk.ref)).rejects.toMatchObject({ code: 'CONFLICT' });
        continue;
      }
      const verdict = Buffer.from(await other.decide(chunk.decision)).toString('hex');
      await other.publish(chunk.terminal({ codes: codesOf(chunk, verdict) }));
    }
    const devices = Array.from({ length: chunkCount * 4 }, (_, n) => `d${String(n)}`);
    await decideAlone(other, tenant, 'anew', devices);
    expect(await other.reservedUnder(tenant, 'order')).toBe(30);
    await other.close();
    await expect(store.backupTo(copy)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('begins a new segment file at the limit and finds segments in all of them', async () => {
    await store.close();
    store = await openEmbeddedStore({ directory, clock, segmentFileBytes: 100 });
    await issueFleet(store, noAcknowledgement);
    expect((await readdir(storeFiles(directory).segments)).length).toBeGreaterThan(2);
    for (let n = 0; n < chunkCount; n += 1) {
      const segment = await store.getSegment(chunkOf(n).ref);
      expect(Buffer.from(segment ?? [])).toEqual(Buffer.from(chunkOf(n).terminal().segment));
    }
  });

  test('a segment whose octets changed on disk is told from a sound one', async () => {
    await issueFleet(store, noAcknowledgement);
    const { segments } = storeFiles(directory);
    const [file = ''] = await readdir(segments);
    const path = join(segments, file);
    const { size } = await stat(path);
    await writeFile(path, Buffer.alloc(size, 'x'));
    await expect(store.getSegment(chunkOf(0).ref)).rejects.toMatchObject({
      code: 'FAULT_STORE_CORRUPT',
    });
  });

  test('octets behind what was recorded are cut off at start; what is missing is a fault', async () => {
    await issueFleet(store, noAcknowledgement);
    await store.close();
    const { segments } = storeFiles(directory);
    const [file = ''] = await readdir(segments);
    const path = join(segments, file);
    const { size } = await stat(path);
    await writeFile(path, 'torn', { flag: 'a' });
    await reopen();
    expect((await stat(path)).size).toBe(size);
    await store.close();
    await rm(path);
    await expect(openEmbeddedStore({ directory, clock })).rejects.toMatchObject({
      code: 'FAULT_STORE_CORRUPT',
    });
  });

  test('a dead letter of format 1 is told and can be retried or end', async () => {
    await store.createOrder(order);
    await store.openBatch(batch);
    const chunk = chunkOf(0);
    await store.registerChunk(chunk.registration);
    const where = { detail: '', stage: 'validate', topic: '', place: '' };
    await store.markDeadLettered(chunk.ref, { code: 'FAULT_LINT_FAILED', ...where });
    await store.close();
    downgrade(
      toFormat2,
      'DROP TABLE dead_letters; ALTER TABLE batches DROP COLUMN broken_off_at_ms; PRAGMA user_version = 1',
    );
    store = await openEmbeddedStore({ directory, clock });
    await reopen();
    expect(await store.getDeadLetter(chunk.ref)).toMatchObject({
      code: 'FAULT_LINT_FAILED',
      ...where,
    });
    await store.publish(chunk.terminal());
    expect(await store.getDeadLetter(chunk.ref)).toBeUndefined();
  });

  test('certificates of a store of format 2 can be revoked', async () => {
    await issueFleet(store, noAcknowledgement);
    await store.close();
    downgrade(toFormat2);
    store = await openEmbeddedStore({ directory, clock });
    const change = { kind: 'revoke', reason: 'superseded', revokedAtMs: 1 } as const;
    const revoked = aChange(chunkOf(0), 1, change);
    expect(await store.changeStatuses([revoked])).toEqual(['changed']);
    await reopen();
    expect(await store.countChanges(revoked.scope)).toBe(1);
    expect(await store.getStatus(tenant, batch.batchId, 1)).toEqual({
      state: 'revoked',
      reason: 'superseded',
      atMs: 1,
    });
  });

  test('goes by what is sealed, not by a status that somebody has written into the database', async () => {
    await issueFleet(store, noAcknowledgement);
    const change = { kind: 'revoke', reason: 'superseded', revokedAtMs: 1 } as const;
    const release = { kind: 'release', releasedAtMs: 2 } as const;
    const first = aChange(chunkOf(0), 1, change);
    expect(await store.changeStatuses([first])).toEqual(['changed']);
    await store.close();
    downgrade(
      `INSERT INTO statuses SELECT batch_seq, 2, state, reason, at_ms, invalidity_date_ms
         FROM statuses;
       UPDATE statuses SET reason = 6 WHERE request_index = 1`,
    );
    store = await openEmbeddedStore({ directory, clock });
    const asked = [
      aChange(chunkOf(0), 1, release),
      first,
      aChange(chunkOf(0), 2, change),
      aChange(chunkOf(0), 2, change),
    ];
    expect(await store.changeStatuses(asked)).toEqual([
      ...['refused', 'unchanged', 'changed', 'unchanged'],
    ]);
  });

  test('refuses a store of a newer format', async () => {
    await store.close();
    const db = new DatabaseSync(storeFiles(directory).database);
    db.exec('PRAGMA user_version = 99');
    db.close();
    await expect(openEmbeddedStore({ directory, clock })).rejects.toMatchObject({
      code: 'DATA_FORMAT_UNSUPPORTED',
    });
  });

  test('the file of an allow-list that was replaced is removed', async () => {
    await store.createOrder(order);
    await store.importAllowList(tenant, 'order', rows('a'));
    await store.importAllowList(tenant, 'order', rows('b', 'c'));
    expect(await readdir(storeFiles(directory).allowLists)).toHaveLength(1);
  });

  test('an import goes on when the store is opened anew after a failed COMMIT', async () => {
    await store.createOrder(order);
    await store.close();
    const diskModule = faultyDisk('commit:createTenant', 1, 'fails');
    store = await openEmbeddedStore({ directory, clock, diskModule });
    async function* withFailure() {
      yield { deviceId: 'before' };
      const failing = store.createTenant('unlucky', 1);
      await expect(failing).rejects.toMatchObject({ code: 'FAULT_STORE_DOWN' });
      expect(await store.hasTenant('unlucky')).toBe(false);
      yield { deviceId: 'after' };
    }
    expect(await store.importAllowList(tenant, 'order', withFailure())).toBe(2);
    const query = [{ deviceId: 'after', udid: new Uint8Array(32) }];
    expect(await store.lookUp(tenant, 'order', query)).toEqual([{ deviceId: 'after' }]);
  });

  test('what an import left that did not end is removed at the next start', async () => {
    const { allowLists } = storeFiles(directory);
    await store.close();
    await writeFile(join(allowLists, 'left.allowlist.partial'), '');
    await writeFile(join(allowLists, 'never-in-force.allowlist'), '');
    store = await openEmbeddedStore({ directory, clock });
    expect(await readdir(allowLists)).toEqual([]);
  });

  test('a list in force whose file is missing is damage, and another import mends it', async () => {
    const { allowLists } = storeFiles(directory);
    await store.createOrder(order);
    await store.importAllowList(tenant, 'order', rows('a'));
    await rm(allowLists, { recursive: true });
    const query = [{ deviceId: 'a', udid: new Uint8Array(32) }];
    await expect(store.lookUp(tenant, 'order', query)).rejects.toMatchObject({
      code: 'FAULT_STORE_CORRUPT',
    });
    await store.importAllowList(tenant, 'order', rows('a'));
    expect(await store.lookUp(tenant, 'order', query)).toEqual([{ deviceId: 'a' }]);
  });

  test('an interactive call is answered before the bulk calls that came first', async () => {
    await store.createOrder(anOrder(tenant, { quota: 1_000 }));
    const placeOfInteractive = async (round: string): Promise<number> => {
      const many = await store.openBatch(aBatch(tenant, `many ${round}`));
      const single = await store.openBatch(aBatch(tenant, round, { lane: 'interactive' }));
      const answered: string[] = [];
      const register = async (name: string, chunk: ReturnType<typeof aChunk>): Promise<void> => {
        await store.registerChunk(chunk.registration);
        answered.push(name);
      };
      const bulk = Array.from({ length: 32 }, (_, n) =>
        register(
          'bulk',
          aChunk(many, [`${round}-${String(n)}`], { chunkNumber: n, firstIndex: n }),
        ),
      );
      await Promise.all([...bulk, register('interactive', aChunk(single, [round]))]);
      return answered.indexOf('interactive');
    };
    // It is the last that is sent: a thread that gets the cores before it is may have answered others.
    const places: number[] = [];
    while (places.length < 10 && !places.some((place) => place < 16)) {
      places.push(await placeOfInteractive(`round ${String(places.length)}`));
    }
    expect(Math.min(...places)).toBeLessThan(16);
  });

  test('one bad call does not fail those that share its transaction', async () => {
    await store.createOrder(order);
    await store.openBatch(batch);
    const unknown = aChunk(aBatch(tenant, 'never opened'), ['x']);
    const outcomes = await Promise.allSettled([
      store.registerChunk(chunkOf(0).registration),
      store.registerChunk(unknown.registration),
      store.registerChunk(chunkOf(1).registration),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  test('says FAULT_STOPPING once it is closed', async () => {
    await store.close();
    await expect(store.storeEpoch()).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
  });
});

async function* rows(...deviceIds: readonly string[]) {
  for (const deviceId of deviceIds) yield await Promise.resolve({ deviceId });
}

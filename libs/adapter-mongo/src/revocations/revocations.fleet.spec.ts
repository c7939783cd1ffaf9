import { CertmillError } from '@certmill/domain';
import { aBatch, aChange, aChunk, anOrder, type ChunkUnderTest } from '@certmill/ports/conformance';
import { MongoClient } from 'mongodb';
import type { MongoStore } from '../mongo-store.js';
import { aFleet, mongoUri, type Fleet } from '../testing/a-mongo-store.js';

const tenant = 'acme';
const revoke = { kind: 'revoke', reason: 'superseded', revokedAtMs: 5 } as const;
const scope = { issuer: `${tenant}-ca`, shard: 0 };

async function issueTo(store: MongoStore, devices: readonly string[]): Promise<ChunkUnderTest> {
  await store.createTenant(tenant, 1);
  await store.createOrder(anOrder(tenant, { quota: 100_000 }));
  const batch = await store.openBatch(aBatch(tenant, 'b'));
  const chunk = aChunk(batch, devices);
  await store.registerChunk(chunk.registration);
  await store.confirmChunk(chunk.ref);
  await store.decide(chunk.decision);
  await store.publish(chunk.terminal());
  return chunk;
}

const serialsOf = (rows: readonly { readonly serialNumber: Uint8Array }[]): string[] =>
  rows.map(({ serialNumber }) => Buffer.from(serialNumber).toString('hex'));

describe('a scope of a CRL', () => {
  let fleet: Fleet;
  let client: MongoClient;
  beforeEach(async () => {
    fleet = await aFleet();
    client = new MongoClient(mongoUri());
  });
  afterEach(async () => {
    await client.close();
    await fleet.close();
  });

  test.each(['insert crlLogs', 'insert audit'])(
    'knows what it wrote itself where the answer to %s was lost and it was sent again',
    async (step) => {
      const sound = await fleet.open();
      const chunk = await issueTo(sound, ['a']);
      const around = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
        if (name === step) await call();
        return call();
      };
      const resending = await fleet.open({ around });
      expect(await resending.changeStatuses([aChange(chunk, 0, revoke)])).toEqual(['changed']);
      expect(await sound.countChanges(scope)).toBe(1);
      const entry = { atMs: 5, actor: 'olga', action: 'certificate.revoked', detail: { n: 1 } };
      expect(await resending.appendAudit(entry)).toMatchObject({ ...entry, sequence: 1 });
      expect(await sound.listAudit({ limit: 9 })).toHaveLength(1);
    },
  );

  const steps = ['update crlScopes', 'insert crlLogs', 'put statuses', 'insert journal'];
  const failures = steps.flatMap((step) => [[step, 'before'] as const, [step, 'after'] as const]);
  test.each(failures)(
    'has what a writer left that died at: %s (%s it took effect)',
    async (step, when) => {
      const sound = await fleet.open();
      const chunk = await issueTo(sound, ['a', 'b']);
      let isArmed = true;
      const around = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
        const dies = isArmed && name === step;
        if (dies && when === 'before') {
          isArmed = false;
          throw new CertmillError('FAULT_STORE_DOWN', 'it died before');
        }
        const answer = await call();
        if (!dies) return answer;
        isArmed = false;
        throw new CertmillError('FAULT_STORE_DOWN', 'it died after');
      };
      const dying = await fleet.open({ around });
      const changes = [aChange(chunk, 0, revoke), aChange(chunk, 1, revoke)];
      await dying.changeStatuses(changes).catch(() => undefined);
      expect(isArmed).toBe(false);
      await dying.stop(1_000);
      // Whoever asks next finds the whole change, or nothing of it.
      const page = { issuers: [scope.issuer], limit: 10 };
      const dirty = await sound.listChangedScopes('full', page);
      const listed = await sound.listRevoked(scope, { limit: 10 });
      expect([0, 2]).toContain(listed.length);
      expect(dirty.map(({ changes: count }) => count)).toEqual(listed.length === 0 ? [] : [2]);
      const { batchId } = chunk.ref;
      const statuses = await sound.listStatuses(tenant, batchId, 0, 2);
      expect(statuses.size).toBe(listed.length);
      const again = await sound.changeStatuses(changes);
      expect(again[0]).toBe(listed.length === 0 ? 'changed' : 'unchanged');
      expect(await sound.countChanges(scope)).toBe(2);
      expect(await sound.getStatus(tenant, batchId, 1)).toMatchObject({ state: 'revoked' });
      // Its claim was released, whoever did it.
      const batch = await sound.openBatch(aBatch(tenant, 'renewed'));
      const renewed = aChunk(batch, ['a', 'b']);
      await sound.registerChunk(renewed.registration);
      await sound.confirmChunk(renewed.ref);
      const verdict = await sound.decide(renewed.decision);
      expect(Buffer.from(verdict)).toEqual(Buffer.from(renewed.decision.draft));
    },
  );

  test('of many changes is a snapshot with a tail, read the same by all', async () => {
    const devices = Array.from({ length: 1_000 }, (_, i) => `d${String(i)}`);
    const [store, other] = [await fleet.open(), await fleet.open()];
    const chunk = await issueTo(store, devices);
    const hold = { kind: 'revoke', reason: 'certificateHold', revokedAtMs: 5 } as const;
    const release = { kind: 'release', releasedAtMs: 6 } as const;
    const all = (change: typeof hold | typeof release) =>
      devices.map((_, i) => aChange(chunk, i, change));
    for (let round = 0; round < 9; round += 1) {
      await store.changeStatuses(all(hold));
      await other.changeStatuses(all(release));
    }
    await store.changeStatuses(all(hold));
    const scopes = client.db(fleet.database).collection<{ _id: string }>('crlScopes');
    const stored = await scopes.findOne({ _id: `${tenant}-ca/0` });
    expect(stored).toMatchObject({ changes: 19_000, snapshot: { rows: 1_000 } });
    for (const reader of [store, other]) {
      const rows = await reader.listRevoked(scope, { limit: 2_000 });
      expect(rows).toHaveLength(1_000);
      expect(serialsOf(rows)).toEqual(serialsOf(rows).sort());
      const behind = rows[499]?.serialNumber;
      const half = await reader.listRevoked(scope, {
        limit: 2_000,
        ...(behind === undefined ? {} : { after: behind }),
      });
      expect(serialsOf(half)).toEqual(serialsOf(rows.slice(500)));
      const changed = await reader.listRevoked(scope, { limit: 2_000, changedSince: 18_500 });
      expect(changed).toHaveLength(500);
    }
  });
});

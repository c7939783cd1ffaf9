import assert from 'node:assert/strict';
import {
  rejectionNumber,
  type CertificateChange,
  type RevocationReason,
  type StatusOutcome,
} from '@certmill/domain';
import type {
  AuditStore,
  ChangedScope,
  CrlScope,
  CrlStore,
  RevocationStore,
  RevokedPageRequest,
  ScopeFollower,
  StatusChange,
} from '../revocations.js';
import { expectSame } from './expect-same.js';
import type { StoreCase } from './store-case.js';
import {
  aBatch,
  anOrder,
  atOnce,
  decideAlone,
  hex,
  hourMs,
  issueAlone,
  nowMs,
  open,
  writers,
  type ChunkUnderTest,
  type Stores,
} from './stores-fixture.js';

/** The store ports with those of revocation and audit. */
export type RevocationStores = Stores & RevocationStore & CrlStore & AuditStore;

const revoked = (reason: RevocationReason, revokedAtMs = nowMs): CertificateChange => ({
  kind: 'revoke',
  reason,
  revokedAtMs,
});
const held = revoked('certificateHold');
const released: CertificateChange = { kind: 'release', releasedAtMs: nowMs + 1 };

/** A scope of this case alone: `tenant` is. */
function scopeOf(tenant: string, shard = 0): CrlScope {
  return { issuer: `${tenant}-ca`, shard };
}

/** A change of the certificate of an index; its serial number is made up from its place. */
export function aChange(
  { ref }: ChunkUnderTest,
  index: number,
  change: CertificateChange,
  changes: Partial<StatusChange> = {},
): StatusChange {
  const { tenant, batchId } = ref;
  const digest = Buffer.from(hex(`${batchId}/${String(index)}`), 'hex');
  const serialNumber = Uint8Array.from([1, ...digest.subarray(0, 19)]);
  const notAfterMs = nowMs + 24 * hourMs;
  return {
    tenant,
    batchId,
    index,
    scope: scopeOf(tenant),
    serialNumber,
    notAfterMs,
    change,
    ...changes,
  };
}

async function issued(
  stores: RevocationStores,
  tenant: string,
  devices: readonly string[] = ['a'],
): Promise<ChunkUnderTest> {
  await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
  return issueAlone(stores, tenant, 'first', devices);
}

function statusOf(stores: RevocationStores, { ref }: ChunkUnderTest, index = 0) {
  return stores.getStatus(ref.tenant, ref.batchId, index);
}

async function outcomesOf(
  stores: RevocationStores,
  chunk: ChunkUnderTest,
  changes: readonly CertificateChange[],
): Promise<readonly string[]> {
  const outcomes: string[] = [];
  for (const change of changes) {
    outcomes.push(...(await stores.changeStatuses([aChange(chunk, 0, change)])));
  }
  return outcomes;
}

/** Serial numbers (hex) with their reasons, of all pages. */
async function listed(
  stores: RevocationStores,
  scope: CrlScope,
  limit: number,
  which: Pick<RevokedPageRequest, 'changedSince' | 'without'> = {},
): Promise<[string, string][]> {
  const found: [string, string][] = [];
  let after: Uint8Array | undefined;
  for (;;) {
    const start = after === undefined ? {} : { after };
    const page = await stores.listRevoked(scope, { limit, ...start, ...which });
    assert.ok(page.length <= limit);
    for (const { serialNumber, reason } of page) {
      found.push([Buffer.from(serialNumber).toString('hex'), reason]);
    }
    after = page.at(-1)?.serialNumber;
    if (page.length < limit || found.length > 1_000) return found;
  }
}

/** The same of some changes, as a scope should list them. */
function expected(changes: readonly StatusChange[], reason: string): [string, string][] {
  return changes
    .map(({ serialNumber }): [string, string] => [
      Buffer.from(serialNumber).toString('hex'),
      reason,
    ])
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

/** Scopes of the case's issuer that a follower lacks changes of, page by page, in order of the shards. */
async function changedOf(
  stores: RevocationStores,
  tenant: string,
  follower: ScopeFollower,
  limit = 2,
): Promise<readonly ChangedScope[]> {
  const found: ChangedScope[] = [];
  for (;;) {
    const after = found.at(-1);
    const page = await stores.listChangedScopes(follower, {
      issuers: ['another', scopeOf(tenant).issuer],
      limit,
      ...(after === undefined ? {} : { after }),
    });
    found.push(...page);
    if (page.length < limit || found.length > 1_000) break;
  }
  return found.toSorted((one, other) => one.shard - other.shard);
}

/** A CRL of the scope in the place of the one in force is in force with so many changes. */
async function putWith(
  stores: RevocationStores,
  scope: CrlScope,
  kind: 'full' | 'delta',
  changes: number,
): Promise<void> {
  const before = await stores.describeCrl(scope, kind);
  const crl = {
    scope,
    kind,
    crlNumber: (before?.crlNumber ?? BigInt(nowMs)) + 1n,
    thisUpdateMs: nowMs,
    nextUpdateMs: nowMs + hourMs,
    entries: 0,
    changes,
    hasDeltas: false,
    der: Buffer.from('CRL'),
  };
  assert.equal(await stores.putCrl(crl, before?.crlNumber), true);
}

/** Statuses, the rows of CRLs' scopes, the audit trail. */
export const revocationCases: readonly StoreCase<RevocationStores>[] = [
  {
    name: 'revocation frees the device, not its key',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const chunk = await issueAlone(stores, tenant, 'first', [{ device: 'a', key: 'k' }]);
      expectSame(await statusOf(stores, chunk), { state: 'good' });
      const change = aChange(chunk, 0, revoked('superseded'));
      expectSame(await stores.changeStatuses([change]), ['changed']);
      const status = { state: 'revoked', reason: 'superseded', atMs: nowMs };
      expectSame(await statusOf(stores, chunk), status);
      const stolen = await decideAlone(stores, tenant, 'second', [{ device: 'b', key: 'k' }]);
      expectSame(stolen.codes, ['KEY_IN_USE']);
      const renewed = await decideAlone(stores, tenant, 'third', [{ device: 'a', key: 'k' }]);
      expectSame(renewed.codes, [undefined]);
    },
    broken: () => ({ changeStatuses: (changes) => Promise.resolve(changes.map(() => 'changed')) }),
  },
  {
    name: 'a key that was revoked as compromised is certified for nobody any more',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const chunk = await issueAlone(stores, tenant, 'first', [
        { device: 'a', key: 'k' },
        { device: 'c', key: 'l' },
      ]);
      await stores.createOrder(anOrder(tenant, { orderId: 'renewal', renews: true }));
      expectSame(await stores.changeStatuses([aChange(chunk, 0, held)]), ['changed']);
      const lost = aChange(chunk, 0, revoked('keyCompromise'));
      expectSame(await stores.changeStatuses([lost]), ['changed']);
      const asked = [
        { device: 'a', key: 'k' },
        { device: 'b', key: 'k' },
        { device: 'c', key: 'l' },
        { device: 'a', key: 'm' },
      ];
      const again = await decideAlone(stores, tenant, 'again', asked);
      expectSame(again.codes, [
        'KEY_COMPROMISED',
        'KEY_COMPROMISED',
        'DEVICE_ALREADY_ISSUED',
        undefined,
      ]);
      const renewed = await decideAlone(stores, tenant, 'renewed', asked.slice(0, 3), {
        orderId: 'renewal',
      });
      expectSame(renewed.codes, ['KEY_COMPROMISED', 'KEY_COMPROMISED', undefined]);
    },
    broken: (stores) => ({
      changeStatuses: (changes) =>
        stores.changeStatuses(changes.map((each) => ({ ...each, change: revoked('superseded') }))),
    }),
  },
  {
    name: 'a key that is found compromised after the revocation is blocked, and its row says so',
    async run(stores, tenant) {
      const scope = scopeOf(tenant);
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const first = await issueAlone(stores, tenant, 'first', [
        { device: 'a', key: 'k' },
        { device: 'b', key: 'l' },
      ]);
      const superseded = [0, 1].map((index) => aChange(first, index, revoked('superseded')));
      await stores.changeStatuses(superseded);
      // Another key: the claim is its own, and stays.
      await issueAlone(stores, tenant, 'second', [{ device: 'a', key: 'm' }]);
      const base = await stores.countChanges(scope);
      const lost = { ...revoked('keyCompromise', nowMs + 9), invalidityDateMs: nowMs - hourMs };
      expectSame(await outcomesOf(stores, first, [lost, lost, revoked('superseded'), held]), [
        'changed',
        'unchanged',
        'refused',
        'refused',
      ]);
      assert.equal(await stores.countChanges(scope), base + 1);
      const status = { reason: 'keyCompromise', invalidityDateMs: nowMs - hourMs };
      expectSame(await statusOf(stores, first), { state: 'revoked', ...status, atMs: nowMs });
      const rows = await stores.listRevoked(scope, { limit: 9, changedSince: base });
      expectSame(
        rows.map(({ reason, revokedAtMs, invalidityDateMs }) => {
          return { reason, revokedAtMs, invalidityDateMs };
        }),
        [{ ...status, revokedAtMs: nowMs }],
      );
      expectSame((await listed(stores, scope, 9)).map(([, reason]) => reason).toSorted(), [
        'keyCompromise',
        'superseded',
      ]);
      const asked = [
        { device: 'a', key: 'k' },
        { device: 'a', key: 'n' },
        { device: 'b', key: 'l' },
      ];
      const again = await decideAlone(stores, tenant, 'again', asked);
      expectSame(again.codes, ['KEY_COMPROMISED', 'DEVICE_ALREADY_ISSUED', undefined]);
    },
    broken: (stores) => ({
      changeStatuses: (changes) =>
        stores.changeStatuses(changes.map((each) => ({ ...each, change: revoked('superseded') }))),
    }),
  },
  {
    name: 'a key that is compromised while it is in flight stays blocked when that ends',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const first = await issueAlone(stores, tenant, 'first', [{ device: 'a', key: 'k' }]);
      await stores.createOrder(anOrder(tenant, { orderId: 'renewal', renews: true }));
      const same = [{ device: 'a', key: 'k' }];
      const renew = (name: string) =>
        decideAlone(stores, tenant, name, same, { orderId: 'renewal' });
      const { chunk } = await renew('renewal');
      await stores.changeStatuses([aChange(first, 0, revoked('keyCompromise'))]);
      const codes = [rejectionNumber('ISSUER_UNAVAILABLE')];
      await stores.publish(chunk.terminal({ codes, released: [0] }));
      expectSame((await renew('after')).codes, ['KEY_COMPROMISED']);
    },
    broken: (stores) => ({
      changeStatuses: (changes) =>
        stores.changeStatuses(changes.map((each) => ({ ...each, change: revoked('superseded') }))),
    }),
  },
  {
    name: 'a certificate on hold is not renewed, and is once it is released',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant, ['a', 'b']);
      await stores.createOrder(anOrder(tenant, { orderId: 'renewal', renews: true }));
      const renew = (name: string) =>
        decideAlone(stores, tenant, name, ['a', 'b'], { orderId: 'renewal' });
      await stores.changeStatuses([aChange(chunk, 0, held)]);
      expectSame((await renew('held')).codes, ['DEVICE_ALREADY_ISSUED', undefined]);
      await stores.changeStatuses([aChange(chunk, 0, released)]);
      const afterwards = await decideAlone(stores, tenant, 'released', ['a'], {
        orderId: 'renewal',
      });
      expectSame(afterwards.codes, [undefined]);
    },
    broken: () => ({ changeStatuses: (changes) => Promise.resolve(changes.map(() => 'changed')) }),
  },
  {
    name: 'a certificate that is revoked while its renewal is in flight does not come back',
    async run(stores, tenant) {
      const first = await issued(stores, tenant);
      await stores.createOrder(anOrder(tenant, { orderId: 'renewal', renews: true }));
      const renew = (name: string) =>
        decideAlone(stores, tenant, name, ['a'], { orderId: 'renewal' });
      const { chunk } = await renew('renewal');
      await stores.changeStatuses([aChange(first, 0, revoked('superseded'))]);
      const meanwhile = await decideAlone(stores, tenant, 'meanwhile', ['a']);
      expectSame(meanwhile.codes, ['DEVICE_REQUEST_PENDING']);
      const codes = [rejectionNumber('ISSUER_UNAVAILABLE')];
      await stores.publish(chunk.terminal({ codes, released: [0] }));
      expectSame((await decideAlone(stores, tenant, 'after', ['a'])).codes, [undefined]);
    },
    broken: () => ({ changeStatuses: (changes) => Promise.resolve(changes.map(() => 'changed')) }),
  },
  {
    name: 'a certificate on hold is still the one of its device, until it is revoked for good',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant);
      await stores.changeStatuses([aChange(chunk, 0, held)]);
      const second = await decideAlone(stores, tenant, 'second', ['a']);
      expectSame(second.codes, ['DEVICE_ALREADY_ISSUED']);
      await stores.changeStatuses([aChange(chunk, 0, revoked('superseded'))]);
      expectSame((await decideAlone(stores, tenant, 'third', ['a'])).codes, [undefined]);
    },
    broken: (stores) => ({
      changeStatuses: (changes) =>
        stores.changeStatuses(
          changes.map((each) => ({ ...each, change: revoked('cessationOfOperation') })),
        ),
    }),
  },
  {
    name: 'a hold can be released and set again; a revocation stays as it is',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant);
      const tries = [released, held, held, released, released, held, revoked('keyCompromise', 9)];
      expectSame(await outcomesOf(stores, chunk, tries), [
        'refused',
        'changed',
        'unchanged',
        'changed',
        'unchanged',
        'changed',
        'changed',
      ]);
      const late = [revoked('keyCompromise', nowMs + 9), revoked('superseded'), held, released];
      expectSame(await outcomesOf(stores, chunk, late), [
        'unchanged',
        'refused',
        'refused',
        'refused',
      ]);
      // Since it was held.
      const status = { state: 'revoked', reason: 'keyCompromise', atMs: nowMs };
      expectSame(await statusOf(stores, chunk), status);
      const rows = await stores.listRevoked(scopeOf(tenant), { limit: 9 });
      expectSame(
        rows.map(({ reason, revokedAtMs }) => [reason, revokedAtMs]),
        [['keyCompromise', nowMs]],
      );
    },
    broken: (stores) => ({
      changeStatuses: async (changes) =>
        (await stores.changeStatuses(changes)).map((outcome) =>
          outcome === 'refused' ? 'unchanged' : outcome,
        ),
    }),
  },
  {
    name: 'of 8 writers at once one revokes, and the row says it once',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant);
      const changes = await atOnce((writer) =>
        stores.changeStatuses([aChange(chunk, 0, revoked('keyCompromise', nowMs + writer))]),
      );
      const outcomes = changes.flat().sort();
      expectSame(outcomes, ['changed', ...Array<string>(writers - 1).fill('unchanged')]);
      const [row, ...more] = await stores.listRevoked(scopeOf(tenant), { limit: 9 });
      expectSame(more, []);
      const status = await statusOf(stores, chunk);
      assert.equal(status.state, 'revoked');
      assert.equal(row?.revokedAtMs, status.atMs);
      assert.equal(await stores.countChanges(scopeOf(tenant)), 1);
    },
    broken: (stores) => ({
      changeStatuses: async (changes) => {
        await stores.changeStatuses(changes);
        return changes.map(() => 'changed');
      },
    }),
  },
  {
    name: 'of 8 writers with reasons of their own one wins, and behind it the loss of the key',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant);
      const reasons = [
        'unspecified',
        'keyCompromise',
        'cACompromise',
        'affiliationChanged',
        'superseded',
        'cessationOfOperation',
        'privilegeWithdrawn',
        'aACompromise',
      ] as const;
      const outcomes = await atOnce((writer) =>
        stores.changeStatuses([aChange(chunk, 0, revoked(reasons[writer] ?? 'unspecified'))]),
      );
      const winners = reasons.filter((_, i) => outcomes[i]?.[0] === 'changed');
      assert.ok(winners.includes('keyCompromise') && winners.length <= 2);
      expectSame(
        outcomes.flat(),
        reasons.map((reason) => (winners.includes(reason) ? 'changed' : 'refused')),
      );
      const status = await statusOf(stores, chunk);
      assert.equal(status.state === 'revoked' && status.reason, 'keyCompromise');
      const rows = await listed(stores, scopeOf(tenant), 9);
      expectSame(
        rows.map(([, reason]) => reason),
        ['keyCompromise'],
      );
      assert.equal(await stores.countChanges(scopeOf(tenant)), winners.length);
    },
    broken: (stores) => ({
      getStatus: async (...place) => {
        const status = await stores.getStatus(...place);
        return status.state === 'revoked' ? { ...status, reason: 'certificateHold' } : status;
      },
    }),
  },
  {
    name: 'a call with a certificate that was never issued changes nothing',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant);
      const good = aChange(chunk, 0, held);
      for (const index of [1, 5_000]) {
        const unknown = aChange(chunk, index, held);
        await assert.rejects(stores.changeStatuses([good, unknown]), { code: 'NOT_FOUND' });
      }
      const foreign = { ...good, tenant: `${tenant}-other` };
      await assert.rejects(stores.changeStatuses([good, foreign]), { code: 'NOT_FOUND' });
      const short = { ...good, serialNumber: new Uint8Array(19) };
      await assert.rejects(stores.changeStatuses([good, short]), { code: 'INVALID_INPUT' });
      expectSame(await statusOf(stores, chunk), { state: 'good' });
      expectSame(await listed(stores, scopeOf(tenant), 9), []);
    },
    broken: (stores) => ({
      changeStatuses: async (changes) => {
        const outcomes: StatusOutcome[] = [];
        for (const change of changes) outcomes.push(...(await stores.changeStatuses([change])));
        return outcomes;
      },
    }),
  },
  {
    name: 'one call may change a certificate twice, in its order',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant);
      const changes = [held, held, released, revoked('superseded')];
      expectSame(await stores.changeStatuses(changes.map((change) => aChange(chunk, 0, change))), [
        'changed',
        'unchanged',
        'changed',
        'changed',
      ]);
      const status = { state: 'revoked', reason: 'superseded', atMs: nowMs };
      expectSame(await statusOf(stores, chunk), status);
      expectSame(await stores.changeStatuses([]), []);
      const { batchId } = chunk.ref;
      expectSame([...(await stores.listStatuses(tenant, batchId, 0, 9))], [[0, status]]);
      expectSame([...(await stores.listStatuses(tenant, batchId, 1, 9))], []);
    },
    broken: (stores) => ({
      changeStatuses: async (changes) =>
        (await stores.changeStatuses(changes.toReversed())).toReversed(),
    }),
  },
  {
    name: 'a scope lists what is revoked or held, by serial number, page by page',
    async run(stores, tenant) {
      const devices = Array.from({ length: 40 }, (_, i) => `d${String(i)}`);
      const chunk = await issued(stores, tenant, devices);
      const all = devices.map((_, i) =>
        aChange(chunk, i, revoked('superseded'), { scope: scopeOf(tenant, i % 2) }),
      );
      await stores.changeStatuses(all.slice(0, 15));
      await stores.changeStatuses(all.slice(15));
      for (const shard of [0, 1]) {
        const own = all.filter((_, i) => i % 2 === shard);
        expectSame(await listed(stores, scopeOf(tenant, shard), 7), expected(own, 'superseded'));
      }
      expectSame(await listed(stores, scopeOf(tenant, 2), 7), []);
    },
    broken: (stores) => ({
      listRevoked: (scope, page) =>
        stores.listRevoked({ ...scope, shard: 0 }, { ...page, limit: Math.min(page.limit, 9) }),
    }),
  },
  {
    name: 'a row tells times and reason as they were given',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant);
      const change = { ...revoked('keyCompromise'), invalidityDateMs: nowMs - hourMs };
      const { serialNumber, notAfterMs } = aChange(chunk, 0, change);
      await stores.changeStatuses([aChange(chunk, 0, change)]);
      const [row] = await stores.listRevoked(scopeOf(tenant), { limit: 1 });
      const { reason, revokedAtMs, invalidityDateMs } = row ?? {};
      expectSame(
        Buffer.from(row?.serialNumber ?? []).toString('hex'),
        Buffer.from(serialNumber).toString('hex'),
      );
      expectSame(
        { reason, revokedAtMs, invalidityDateMs, notAfterMs: row?.notAfterMs },
        {
          reason: 'keyCompromise',
          revokedAtMs: nowMs,
          invalidityDateMs: nowMs - hourMs,
          notAfterMs,
        },
      );
      expectSame(await statusOf(stores, chunk), {
        state: 'revoked',
        reason: 'keyCompromise',
        atMs: nowMs,
        invalidityDateMs: nowMs - hourMs,
      });
    },
    broken: (stores) => ({
      listRevoked: async (scope, page) =>
        (await stores.listRevoked(scope, page)).map((row) => ({ ...row, notAfterMs: nowMs })),
    }),
  },
  {
    name: 'what changed after a number of changes is listed, released ones as removeFromCRL',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant, ['a', 'b', 'c', 'd']);
      const scope = scopeOf(tenant);
      const change = (index: number, what: CertificateChange) => aChange(chunk, index, what);
      await stores.changeStatuses([change(0, held), change(1, revoked('superseded'))]);
      const base = await stores.countChanges(scope);
      assert.equal(base, 2);
      expectSame(await listed(stores, scope, 2, { changedSince: base }), []);
      await stores.changeStatuses([change(0, released), change(1, held), change(2, held)]);
      await stores.changeStatuses([change(3, revoked('keyCompromise'))]);
      assert.equal(await stores.countChanges(scope), base + 3);
      const since = [
        ...expected([change(0, released)], 'removeFromCRL'),
        ...expected([change(2, held)], 'certificateHold'),
        ...expected([change(3, held)], 'keyCompromise'),
      ].sort(([one], [other]) => (one < other ? -1 : 1));
      expectSame(await listed(stores, scope, 2, { changedSince: base }), since);
      expectSame((await listed(stores, scope, 2)).length, 3);
      expectSame(await stores.countChanges(scopeOf(tenant, 7)), 0);
    },
    broken: (stores) => ({
      listRevoked: (scope, { changedSince: _, ...page }) => stores.listRevoked(scope, page),
    }),
  },
  {
    name: 'rows of certificates that ended are left out where that is asked for, and are there for good',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant, ['a', 'b', 'c', 'd']);
      const scope = scopeOf(tenant);
      const ending = (index: number, endsMs: number) =>
        aChange(chunk, index, held, { notAfterMs: nowMs + endsMs });
      const changes = [ending(0, -5), ending(1, 5), ending(2, -5), ending(3, -5)];
      await stores.changeStatuses(changes);
      await putWith(stores, scope, 'full', 4);
      const left = async (endedBeforeMs: number, since: number) => {
        const without = { endedBeforeMs: nowMs + endedBeforeMs, changes: since };
        return listed(stores, scope, 2, { without });
      };
      const rows = (...indexes: readonly number[]) =>
        expected(
          changes.filter((_, index) => indexes.includes(index)),
          'certificateHold',
        );
      // What changed after so many is of a later CRL, and what ends at that time has not ended before.
      expectSame(await left(-4, 2), rows(1, 2, 3));
      expectSame(await left(-5, 4), rows(0, 1, 2, 3));
      expectSame(await left(5, 4), rows(1));
      expectSame(await left(6, 4), []);
      expectSame(await listed(stores, scope, 2), rows(0, 1, 2, 3));
      assert.equal(await stores.countChanges(scope), 4);
    },
    broken: (stores) => ({
      listRevoked: (scope, { without: _, ...page }) => stores.listRevoked(scope, page),
    }),
  },
  {
    name: 'scopes with changes that no CRL has are listed with their number of changes, all of them',
    async run(stores, tenant) {
      const devices = Array.from({ length: 6 }, (_, i) => `d${String(i)}`);
      const chunk = await issued(stores, tenant, devices);
      const shards = [4, 4, 9, 11, 12, 10];
      await stores.changeStatuses(
        shards.map((shard, i) => aChange(chunk, i, held, { scope: scopeOf(tenant, shard) })),
      );
      for (const follower of ['full', 'delta', 'presigned'] as const) {
        const changed = await changedOf(stores, tenant, follower);
        expectSame(
          changed.map(({ issuer, shard, changes, followed }) => [issuer, shard, changes, followed]),
          [4, 9, 10, 11, 12].map((shard) => [`${tenant}-ca`, shard, shard === 4 ? 2 : 1, 0]),
        );
        assert.ok(changed.every(({ changedAtMs }) => Number.isSafeInteger(changedAtMs)));
      }
      const others = { issuers: ['another'], limit: 9 };
      expectSame(await stores.listChangedScopes('full', others), []);
    },
    broken: (stores) => ({
      listChangedScopes: async (follower, { after: _, ...page }) =>
        stores.listChangedScopes(follower, page),
    }),
  },
  {
    name: 'a scope has changes for each follower until that one has exactly as many',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant, ['a', 'b', 'c']);
      const scope = scopeOf(tenant, 3);
      const change = (index: number) => aChange(chunk, index, held, { scope });
      await stores.changeStatuses([change(0), change(1)]);
      const followed = async (follower: ScopeFollower) =>
        (await changedOf(stores, tenant, follower)).map((each) => each.followed);
      await putWith(stores, scope, 'full', 1);
      expectSame(await followed('full'), [1]);
      await putWith(stores, scope, 'full', 2);
      expectSame([await followed('full'), await followed('delta')], [[], [0]]);
      await putWith(stores, scope, 'delta', 2);
      expectSame([await followed('delta'), await followed('presigned')], [[], [0]]);
      assert.equal(await stores.countPresigned(scope), 0);
      await stores.notePresigned(scope, 2);
      assert.equal(await stores.countPresigned(scope), 2);
      expectSame(await followed('presigned'), []);
      await stores.changeStatuses([change(2)]);
      for (const follower of ['full', 'delta', 'presigned'] as const) {
        expectSame(await followed(follower), [2]);
      }
      // One that has fewer, or more than there are since a restore, does not count as one that has all.
      await putWith(stores, scope, 'full', 3);
      await putWith(stores, scope, 'full', 2);
      await putWith(stores, scope, 'delta', 7);
      await stores.notePresigned(scope, 9);
      expectSame(await followed('full'), [2]);
      expectSame([await followed('delta'), await followed('presigned')], [[7], [9]]);
    },
    // The most that any CRL ever had.
    broken: (stores) => ({
      listChangedScopes: async (follower, page) => {
        const listed = await stores.listChangedScopes(follower, page);
        return listed.filter(({ changes, followed }) => followed < changes && changes < 3);
      },
    }),
  },
];

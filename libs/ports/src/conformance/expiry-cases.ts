import assert from 'node:assert/strict';
import { rejectionNumber, type RevocationReason } from '@certmill/domain';
import { decodeVerdict } from '@certmill/events';
import { expectSame } from './expect-same.js';
import { aChange, type RevocationStores } from './revocation-cases.js';
import type { StoreCase } from './store-case.js';
import {
  aBatch,
  aChunk,
  anOrder,
  atOnce,
  decideAlone,
  decideCodes,
  hourMs,
  issueAlone,
  nowMs,
  open,
  receive,
  udidOf,
  type ChunkPlace,
  type ChunkUnderTest,
  type Device,
} from './stores-fixture.js';

/** The last second of the certificates that expire. */
const notAfterMs = nowMs + hourMs - 1_000;
const afterwardsMs = notAfterMs + 1_000;
const afterwards = { receivedAtMs: afterwardsMs };
const renewing = { orderId: 'renewal' };
const alreadyIssued = 'DEVICE_ALREADY_ISSUED';
const pending = 'DEVICE_REQUEST_PENDING';
const unissued = (count: number) => ({
  codes: Array<number>(count).fill(rejectionNumber('ISSUER_UNAVAILABLE')),
  released: Array.from({ length: count }, (_, index) => index),
});
const revocation = (reason: RevocationReason) =>
  ({ kind: 'revoke', reason, revokedAtMs: nowMs }) as const;
const revoked = (chunk: ChunkUnderTest, reason: RevocationReason) =>
  aChange(chunk, 0, revocation(reason));

/** An order, one that renews, and certificates that expire. */
async function issued(
  stores: RevocationStores,
  tenant: string,
  devices: readonly Device[] = ['a'],
): Promise<ChunkUnderTest> {
  await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
  await stores.createOrder(anOrder(tenant, { orderId: 'renewal', renews: true }));
  return issueAlone(stores, tenant, 'first', devices, {}, { notAfterMs });
}

/** Codes of a batch of these devices. */
async function codesOf(
  stores: RevocationStores,
  tenant: string,
  name: string,
  devices: readonly Device[],
  place: ChunkPlace = afterwards,
) {
  return (await decideAlone(stores, tenant, name, devices, place)).codes;
}

/** A store that does not know when certificates end. */
const keepsNoEnd: StoreCase<RevocationStores>['broken'] = (stores) => ({
  publish: ({ notAfterMs: _unknown, ...terminal }) => stores.publish(terminal),
});

/** A store that looks at the clock where it should look at the chunk. */
const asksTheClock: StoreCase<RevocationStores>['broken'] = (stores) => ({
  decide: (decision) => stores.decide({ ...decision, receivedAtMs: decision.nowMs }),
});

/** A store in which every certificate has ended. */
const endsAll: StoreCase<RevocationStores>['broken'] = (stores) => ({
  publish: (terminal) => stores.publish({ ...terminal, notAfterMs: 0 }),
});

/** A store that decides without looking at claims. */
const forgetsClaims: StoreCase<RevocationStores>['broken'] = (stores) => ({
  decide: (decision) => stores.decide({ ...decision, profileName: `p-${decision.chunk.batchId}` }),
});

/** Claims of certificates whose validity is over (DESIGN 3.5). */
export const expiryCases: readonly StoreCase<RevocationStores>[] = [
  {
    name: 'a device has its claim to the last second of its certificate, and then another may have it',
    async run(stores, tenant) {
      await issued(stores, tenant);
      for (const [name, receivedAtMs] of [
        ['at the end', notAfterMs],
        ['in the last second', afterwardsMs - 1],
      ] as const) {
        expectSame(await codesOf(stores, tenant, name, ['a'], { receivedAtMs }), [alreadyIssued]);
      }
      const second = await decideAlone(stores, tenant, 'second', ['a'], afterwards);
      expectSame(second.codes, [undefined]);
      expectSame(await codesOf(stores, tenant, 'while it is in flight', ['a']), [pending]);
      await stores.publish(second.chunk.terminal());
      expectSame(await codesOf(stores, tenant, 'third', ['a']), [alreadyIssued]);
      assert.equal(await stores.reservedUnder(tenant, 'order'), 2);
      assert.equal((await stores.findByDevice(tenant, 'a', 10)).length, 2);
    },
    broken: keepsNoEnd,
  },
  {
    name: 'what counts is when a chunk was received, not when it is decided',
    async run(stores, tenant) {
      await issued(stores, tenant);
      const batch = aBatch(tenant, 'waited');
      await stores.openBatch(batch);
      const chunk = aChunk(batch, ['a'], { receivedAtMs: notAfterMs });
      await receive(stores, chunk);
      const muchLater = { nowMs: nowMs + 20 * hourMs };
      expectSame(await decideCodes(stores, chunk, muchLater), [alreadyIssued]);
      // By a clock that was set back.
      const next = aBatch(tenant, 'next');
      await stores.openBatch(next);
      const later = aChunk(next, ['a'], afterwards);
      await receive(stores, later);
      expectSame(await decideCodes(stores, later, { nowMs }), [undefined]);
    },
    broken: asksTheClock,
  },
  {
    name: 'a verdict about a claim that had expired stays as it is, whenever the chunk comes again',
    async run(stores, tenant) {
      await issued(stores, tenant, ['a', 'b']);
      const { chunk, codes } = await decideAlone(stores, tenant, 'second', ['a', 'b'], afterwards);
      expectSame(codes, [undefined, undefined]);
      const again = { receivedAtMs: nowMs, nowMs: nowMs + 1 };
      expectSame(await decideCodes(stores, chunk, again), [undefined, undefined]);
      assert.equal(await stores.reservedUnder(tenant, 'order'), 4);
      const early = await decideAlone(stores, tenant, 'early', ['a'], { receivedAtMs: nowMs });
      expectSame(early.codes, [pending]);
      expectSame(await decideCodes(stores, early.chunk, afterwards), [pending]);
    },
    broken: forgetsClaims,
  },
  {
    name: 'of 8 batches at once one gets the device of a certificate that has expired',
    async run(stores, tenant) {
      await issued(stores, tenant, ['a', 'b']);
      const decided = await atOnce((writer) =>
        decideAlone(stores, tenant, `batch ${String(writer)}`, ['a', 'b'], afterwards),
      );
      for (const position of [0, 1]) {
        const codes = decided.map((one) => one.codes[position]);
        assert.equal(codes.filter((code) => code === undefined).length, 1);
        assert.equal(codes.filter((code) => code === pending).length, 7);
      }
      assert.equal(await stores.reservedUnder(tenant, 'order'), 4);
    },
    broken: forgetsClaims,
  },
  {
    name: 'of a chunk those get through whose certificates have expired',
    async run(stores, tenant) {
      await issued(stores, tenant, ['a', 'b', 'c']);
      await issueAlone(stores, tenant, 'lasts', ['d', 'e']);
      await decideAlone(stores, tenant, 'in flight', ['f']);
      const asked = ['d', 'a', 'f', 'b', 'new', 'e', 'c', 'a'];
      expectSame(await codesOf(stores, tenant, 'all', asked), [
        alreadyIssued,
        undefined,
        pending,
        undefined,
        undefined,
        alreadyIssued,
        undefined,
        'DUPLICATE_IN_BATCH',
      ]);
      assert.equal(await stores.reservedUnder(tenant, 'order'), 3 + 2 + 1 + 4);
    },
    broken: endsAll,
  },
  {
    name: 'what is in flight keeps its claim however long it takes',
    async run(stores, tenant) {
      await issued(stores, tenant);
      await decideAlone(stores, tenant, 'second', ['a'], afterwards);
      const aYear = { receivedAtMs: nowMs + 24 * 365 * hourMs };
      expectSame(await codesOf(stores, tenant, 'a year later', ['a'], aYear), [pending]);
    },
    broken: forgetsClaims,
  },
  {
    name: 'a refusal tells until when the certificate of the device lasts',
    async run(stores, tenant) {
      await issued(stores, tenant);
      const { chunk } = await decideAlone(stores, tenant, 'second', ['a']);
      const verdict = await stores.getVerdict(chunk.ref);
      assert.match(
        decodeVerdict(verdict ?? new Uint8Array()).details[0] ?? '',
        /until 2026-01-01T01:59:59Z/,
      );
    },
    broken: keepsNoEnd,
  },
  {
    name: 'one that takes the place of an expired certificate and is not issued gives back what it took',
    async run(stores, tenant) {
      await issued(stores, tenant);
      const asked = [{ device: 'a', key: 'new key' }];
      const { chunk } = await decideAlone(stores, tenant, 'second', asked, afterwards);
      await stores.publish(chunk.terminal({ ...unissued(1), segment: Buffer.from('none') }));
      assert.equal(await stores.reservedUnder(tenant, 'order'), 1);
      const others = [
        { device: 'c', key: 'new key' },
        { device: 'c', key: 'key of a' },
        { device: 'a', key: 'third key' },
      ];
      expectSame(await codesOf(stores, tenant, 'third', others), [
        undefined,
        'KEY_IN_USE',
        undefined,
      ]);
    },
    broken: (stores) => ({ publish: (terminal) => stores.publish({ ...terminal, released: [] }) }),
  },
  {
    name: 'a renewal of an expired certificate that is not issued does not bring its claim back to life',
    async run(stores, tenant) {
      await issued(stores, tenant);
      const late = { ...renewing, ...afterwards };
      const { chunk, codes } = await decideAlone(stores, tenant, 'renewal', ['a'], late);
      expectSame(codes, [undefined]);
      expectSame(await codesOf(stores, tenant, 'meanwhile', ['a']), [pending]);
      await stores.publish(chunk.terminal(unissued(1)));
      const received = { receivedAtMs: nowMs };
      expectSame(await codesOf(stores, tenant, 'early', ['a'], received), [alreadyIssued]);
      expectSame(await codesOf(stores, tenant, 'late', ['a']), [undefined]);
    },
    broken: keepsNoEnd,
  },
  {
    name: 'a renewal that has expired frees the device, whatever it took the place of',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await stores.createOrder(anOrder(tenant, { orderId: 'renewal', renews: true }));
      await issueAlone(stores, tenant, 'lasts', ['a']);
      await issueAlone(stores, tenant, 'renewed', ['a'], renewing, { notAfterMs });
      const early = { receivedAtMs: notAfterMs };
      expectSame(await codesOf(stores, tenant, 'early', ['a'], early), [alreadyIssued]);
      expectSame(await codesOf(stores, tenant, 'late', ['a']), [undefined]);
    },
    broken: keepsNoEnd,
  },
  {
    name: 'a hold keeps the claim as long as the certificate lasts, under an order that renews too',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant);
      const second = await issueAlone(stores, tenant, 'other', ['b'], {}, { notAfterMs });
      for (const one of [chunk, second]) {
        await stores.changeStatuses([revoked(one, 'certificateHold')]);
      }
      for (const order of [{}, renewing]) {
        const name = `early ${order === renewing ? 'renewal' : ''}`;
        const early = { ...order, receivedAtMs: notAfterMs };
        const codes = await codesOf(stores, tenant, name, ['a', 'b'], early);
        expectSame(codes, [alreadyIssued, alreadyIssued]);
      }
      expectSame(await codesOf(stores, tenant, 'late', ['a']), [undefined]);
      const late = { ...renewing, ...afterwards };
      expectSame(await codesOf(stores, tenant, 'late renewal', ['b'], late), [undefined]);
    },
    broken: keepsNoEnd,
  },
  {
    name: 'what devices are to renew is told by statuses and claims, and by requests where a claim was given up',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant, ['a', 'b', 'c', 'd']);
      const next = [{ device: 'd', key: 'new' }];
      const later = await issueAlone(stores, tenant, 'renewed', next, renewing, { notAfterMs });
      for (const [index, reason] of [
        [1, 'certificateHold'],
        [2, 'superseded'],
      ] as const) {
        await stores.changeStatuses([aChange(chunk, index, revocation(reason))]);
      }
      const { batchId } = chunk.registration;
      const statuses = await stores.listStatuses(tenant, batchId, 0, 4);
      expectSame([...statuses.keys()], [1, 2]);
      const own = (index: number) => ({ batchId, chunkNumber: 0, index });
      const renewed = { batchId: later.registration.batchId, chunkNumber: 0, index: 0 };
      const devices = ['a', 'b', 'c', 'd'].map((deviceId) => ({ deviceId, udid: udidOf('any') }));
      const claims = () => stores.claimsOf(tenant, 'idevid', devices);
      expectSame(await claims(), [[own(0)], [own(1)], [], [renewed, own(3)]]);
      await stores.changeStatuses([revoked(later, 'superseded')]);
      expectSame((await claims())[3], []);
      expectSame(await stores.placesOf(tenant, devices.slice(3), 16), [[renewed, own(3)]]);
    },
    broken: (stores) => ({
      changeStatuses: (changes) =>
        stores.changeStatuses(
          changes.map((each) => ({ ...each, change: revocation('superseded') })),
        ),
    }),
  },
  {
    name: 'what becomes of an expired certificate later does not touch the one after it',
    async run(stores, tenant) {
      const first = await issued(stores, tenant);
      const second = await decideAlone(stores, tenant, 'second', ['a'], afterwards);
      await stores.changeStatuses([revoked(first, 'superseded')]);
      expectSame(await codesOf(stores, tenant, 'in flight', ['a']), [pending]);
      await stores.publish(second.chunk.terminal());
      expectSame(await codesOf(stores, tenant, 'issued', ['a']), [alreadyIssued]);
      await stores.changeStatuses([revoked(second.chunk, 'superseded')]);
      expectSame(await codesOf(stores, tenant, 'revoked', ['a']), [undefined]);
    },
    broken: endsAll,
  },
  {
    name: 'a key that was revoked as compromised stays so when its certificate has expired',
    async run(stores, tenant) {
      const chunk = await issued(stores, tenant, [{ device: 'a', key: 'k' }]);
      await stores.changeStatuses([revoked(chunk, 'keyCompromise')]);
      const asked = [
        { device: 'a', key: 'k' },
        { device: 'a', key: 'l' },
      ];
      const codes = await codesOf(stores, tenant, 'late', asked);
      expectSame(codes, ['KEY_COMPROMISED', undefined]);
    },
    broken: (stores) => ({
      changeStatuses: (changes) =>
        stores.changeStatuses(
          changes.map((each) => ({ ...each, change: revocation('superseded') })),
        ),
    }),
  },
];

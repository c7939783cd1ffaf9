import assert from 'node:assert/strict';
import { inFlightOf, rejectionNumber } from '@certmill/domain';
import { decodeVerdict } from '@certmill/events';
import { expectSame } from './expect-same.js';
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
  writers,
  type Device,
  type Stores,
} from './stores-fixture.js';

const unavailable = rejectionNumber('ISSUER_UNAVAILABLE');

/** A store that decides without looking at claims and quota. */
const decidesByDraft: StoreCase['broken'] = (stores) => ({
  decide: async (decision) => {
    await stores.decide(decision);
    return decision.draft;
  },
});

/** A store in which nothing holds a device: each decision is made under a profile of its own. */
function forgetsClaims(stores: Stores): Partial<Stores> {
  return {
    decide: (decision) =>
      stores.decide({ ...decision, profileName: `p-${decision.chunk.batchId}` }),
  };
}

function released(count: number) {
  return {
    codes: Array<number>(count).fill(unavailable),
    released: Array.from({ length: count }, (_, index) => index),
  };
}

/** Verdicts, claims, quota, certificates and their status. */
export const issuanceCases: readonly StoreCase[] = [
  {
    name: 'of 8 deciders at once the first decides, and all get its bytes, later ones too',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const chunk = aChunk(batch, ['a', 'b']);
      await receive(stores, chunk);
      assert.equal(await stores.getVerdict(chunk.ref), undefined);
      const verdicts = await atOnce((writer) => {
        const { draft } = aChunk(batch, [`draft ${String(writer)}`, 'b']).decision;
        return stores.decide({ ...chunk.decision, draft });
      });
      const inForce = await stores.getVerdict(chunk.ref);
      assert.ok(inForce);
      for (const verdict of [...verdicts, await stores.decide(chunk.decision)]) {
        expectSame(Buffer.from(verdict), Buffer.from(inForce));
      }
      assert.equal(await stores.reservedUnder(tenant, 'order'), 2);
    },
    broken: decidesByDraft,
  },
  {
    name: 'a quota is used to the last under 8 deciders at once, the lowest indexes first',
    async run(stores, tenant) {
      const quota = 13;
      const batch = await open(stores, anOrder(tenant, { quota }), aBatch(tenant, 'b'));
      const chunks = Array.from({ length: writers }, (_, n) =>
        aChunk(batch, [`${String(n)}-a`, `${String(n)}-b`, `${String(n)}-c`], {
          chunkNumber: n,
          firstIndex: n * 3,
        }),
      );
      await Promise.all(chunks.map((chunk) => receive(stores, chunk)));
      const codes = await Promise.all(chunks.map((chunk) => decideCodes(stores, chunk)));
      assert.equal(codes.flat().filter((code) => code === undefined).length, quota);
      for (const row of codes) {
        const cut = row.indexOf('ORDER_QUOTA_EXCEEDED');
        if (cut >= 0) assert.ok(row.slice(cut).every((code) => code === 'ORDER_QUOTA_EXCEEDED'));
      }
      assert.equal(await stores.reservedUnder(tenant, 'order'), quota);
    },
    broken: decidesByDraft,
  },
  {
    name: 'a request that the quota refused has claimed nothing',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant, { quota: 1 }), aBatch(tenant, 'b'));
      const { codes } = await decideAlone(stores, tenant, 'first', ['a', 'b']);
      expectSame(codes, [undefined, 'ORDER_QUOTA_EXCEEDED']);
      await stores.createOrder(anOrder(tenant, { orderId: 'more' }));
      const more = await decideAlone(stores, tenant, 'second', ['b'], { orderId: 'more' });
      expectSame(more.codes, [undefined]);
    },
    broken: decidesByDraft,
  },
  {
    name: 'nothing passes under an order that is closed or past its date',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const batch = await stores.openBatch(aBatch(tenant, 'late'));
      const late = aChunk(batch, ['a']);
      await receive(stores, late);
      expectSame(await decideCodes(stores, late, { nowMs: nowMs + 24 * hourMs }), ['ORDER_CLOSED']);
      await stores.closeOrder(tenant, 'order', nowMs);
      expectSame((await decideAlone(stores, tenant, 'closed', ['a'])).codes, ['ORDER_CLOSED']);
      assert.equal(await stores.reservedUnder(tenant, 'order'), 0);
    },
    broken: decidesByDraft,
  },
  {
    name: 'a device or a key that stands twice in a batch counts once',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const chunk = aChunk(batch, [
        'a',
        { device: 'a', key: 'second key of a' },
        { device: 'b', key: 'key of a' },
        'c',
      ]);
      await receive(stores, chunk);
      const twice = 'DUPLICATE_IN_BATCH';
      expectSame(await decideCodes(stores, chunk), [undefined, twice, twice, undefined]);
      const next = aChunk(batch, ['a', { device: 'd', key: 'key of c' }], {
        chunkNumber: 1,
        firstIndex: 4,
      });
      await receive(stores, next);
      expectSame(await decideCodes(stores, next), [twice, twice]);
      assert.equal(await stores.reservedUnder(tenant, 'order'), 2);
    },
    broken: decidesByDraft,
  },
  {
    name: 'a key is bound to its device; details name the own device only',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await issueAlone(stores, tenant, 'first', [{ device: 'secret-device', key: 'k' }]);
      const { codes, chunk } = await decideAlone(stores, tenant, 'second', [
        { device: 'other-device', key: 'k' },
      ]);
      expectSame(codes, ['KEY_IN_USE']);
      const verdict = await stores.getVerdict(chunk.ref);
      assert.ok(verdict);
      const detail = decodeVerdict(verdict).details[0] ?? '';
      assert.match(detail, /other-device/);
      assert.doesNotMatch(detail, /secret-device/);
    },
    broken: decidesByDraft,
  },
  {
    name: 'a device is refused while its request is in flight, and once it is issued',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const { chunk } = await decideAlone(stores, tenant, 'first', ['a']);
      const pending = await decideAlone(stores, tenant, 'second', ['a']);
      expectSame(pending.codes, ['DEVICE_REQUEST_PENDING']);
      await stores.publish(chunk.terminal());
      const issued = await decideAlone(stores, tenant, 'third', ['a']);
      expectSame(issued.codes, ['DEVICE_ALREADY_ISSUED']);
    },
    broken: forgetsClaims,
  },
  {
    name: 'an order that renews takes over what is issued, and nothing that is in flight',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await stores.createOrder(anOrder(tenant, { orderId: 'renewal', renews: true }));
      const renew = (name: string) =>
        decideAlone(stores, tenant, name, ['a'], { orderId: 'renewal' });
      const { chunk: first } = await decideAlone(stores, tenant, 'first', ['a']);
      expectSame((await renew('too early')).codes, ['DEVICE_REQUEST_PENDING']);
      await stores.publish(first.terminal());
      const renewal = await renew('renewal');
      expectSame(renewal.codes, [undefined]);
      expectSame((await renew('while it is in flight')).codes, ['DEVICE_REQUEST_PENDING']);
      await stores.publish(renewal.chunk.terminal());
      const other = await decideAlone(stores, tenant, 'third', ['a']);
      expectSame(other.codes, ['DEVICE_ALREADY_ISSUED']);
      expectSame((await renew('twice')).codes, [undefined]);
    },
    broken: (stores) => ({
      createOrder: (order) => {
        const { renews, ...rest } = order;
        return stores.createOrder(renews === true ? rest : order);
      },
    }),
  },
  {
    name: 'a reissue takes over what it stands for, and nothing that came to the device in between',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      for (const orderId of ['renewal', 'reissue']) {
        await stores.createOrder(anOrder(tenant, { orderId, renews: true }));
      }
      await issueAlone(stores, tenant, 'first', ['a', 'b', 'c', 'd']);
      await issueAlone(stores, tenant, 'renewed', [{ device: 'b', key: 'new b' }], {
        orderId: 'renewal',
      });
      const { chunk } = await decideAlone(stores, tenant, 'in flight', ['c'], {
        orderId: 'renewal',
      });
      const reissue = async (name: string) => {
        const batch = aBatch(tenant, name, { orderId: 'reissue' });
        await stores.openBatch(batch);
        const again = aChunk(batch, ['d', 'c', 'b', 'a']);
        await receive(stores, again);
        const { batchId } = aBatch(tenant, 'first');
        const expectedHolders = [3, 2, 1, 0].map((index) => ({ batchId, index }));
        const codes = await decideCodes(stores, again, { expectedHolders });
        await stores.publish(again.terminal());
        return codes;
      };
      const issued = 'DEVICE_ALREADY_ISSUED';
      expectSame(await reissue('one'), [undefined, 'DEVICE_REQUEST_PENDING', issued, undefined]);
      await stores.publish(chunk.terminal());
      expectSame(await reissue('two'), [issued, issued, issued, issued]);
    },
    broken: (stores) => ({
      decide: ({ expectedHolders: _, ...decision }) => stores.decide(decision),
    }),
  },
  {
    name: 'a renewal that ends without a certificate gives the device back to the one before',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await stores.createOrder(anOrder(tenant, { orderId: 'renewal', renews: true }));
      await issueAlone(stores, tenant, 'first', ['a', 'b']);
      const renew = async (name: string, keys: readonly string[]) => {
        const devices = ['a', 'b'].map((device, i) => ({ device, key: keys[i] ?? '' }));
        const one = await decideAlone(stores, tenant, name, devices, { orderId: 'renewal' });
        expectSame(one.codes, [undefined, undefined]);
        return one.chunk;
      };
      const rejected = await renew('rejected', ['new a', 'new b']);
      await stores.publish(rejected.terminal(released(2)));
      const codesOf = async (name: string, devices: readonly Device[]) =>
        (await decideAlone(stores, tenant, name, devices)).codes;
      const issued = 'DEVICE_ALREADY_ISSUED';
      expectSame(await codesOf('after the first', ['a', 'b']), [issued, issued]);
      const cancelled = await renew('cancelled', ['new b', 'new a']);
      await stores.publish(cancelled.terminal({ ...released(2), endedAs: 'cancelled' }));
      expectSame(await codesOf('after the second', ['a', 'b']), [issued, issued]);
      assert.equal(await stores.reservedUnder(tenant, 'renewal'), 0);
      const byOther = await codesOf('keys', [{ device: 'c', key: 'new a' }]);
      expectSame(byOther, [undefined]);
      await stores.publish((await renew('at last', ['x', 'y'])).terminal());
      expectSame(await codesOf('after the last', ['a', 'b']), [issued, issued]);
    },
    broken: forgetsClaims,
  },
  {
    name: 'of 8 batches at once one gets the device',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const decided = await atOnce((writer) =>
        decideAlone(stores, tenant, `batch ${String(writer)}`, ['a']),
      );
      const codes = decided.flatMap((one) => one.codes);
      assert.equal(codes.filter((code) => code === undefined).length, 1);
      assert.equal(await stores.reservedUnder(tenant, 'order'), 1);
    },
    broken: forgetsClaims,
  },
  {
    name: 'a device may hold a certificate of each profile, with one key',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await issueAlone(stores, tenant, 'first', ['a']);
      const other = await decideAlone(stores, tenant, 'second', ['a'], { profileName: 'ldevid' });
      expectSame(other.codes, [undefined]);
    },
    broken: (stores) => ({
      decide: (decision) => stores.decide({ ...decision, profileName: 'any' }),
    }),
  },
  {
    name: 'requests that were not issued after all give device, key and quota back',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant, { quota: 2 }), aBatch(tenant, 'b'));
      const { chunk } = await decideAlone(stores, tenant, 'first', ['a', 'b']);
      await stores.publish(chunk.terminal(released(2)));
      assert.equal(await stores.reservedUnder(tenant, 'order'), 0);
      const again = await decideAlone(stores, tenant, 'second', [
        { device: 'a', key: 'key of b' },
        { device: 'b', key: 'another' },
      ]);
      expectSame(again.codes, [undefined, undefined]);
    },
    broken: (stores) => ({ publish: (terminal) => stores.publish({ ...terminal, released: [] }) }),
  },
  {
    name: 'a key stays bound while one of its requests was issued',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await issueAlone(stores, tenant, 'first', [{ device: 'a', key: 'k' }]);
      const { chunk } = await decideAlone(stores, tenant, 'second', [{ device: 'a', key: 'k' }], {
        profileName: 'ldevid',
      });
      await stores.publish(chunk.terminal(released(1)));
      const third = await decideAlone(stores, tenant, 'third', [{ device: 'b', key: 'k' }]);
      expectSame(third.codes, ['KEY_IN_USE']);
    },
    broken: decidesByDraft,
  },
  {
    name: 'of 8 publishers at once the first ends the chunk; its segment stays',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const { chunk } = await decideAlone(stores, tenant, 'first', ['a', 'b']);
      assert.equal(await stores.getSegment(chunk.ref), undefined);
      const outcomes = await atOnce((writer) =>
        stores.publish(chunk.terminal({ segment: Buffer.from(`segment ${String(writer)}`) })),
      );
      assert.equal(outcomes.filter((outcome) => outcome === 'published').length, 1);
      const segment = await stores.getSegment(chunk.ref);
      const winner = `segment ${String(outcomes.indexOf('published'))}`;
      assert.equal(Buffer.from(segment ?? []).toString(), winner);
      const { tenant: owner, batchId } = chunk.ref;
      assert.equal((await stores.getBatch(owner, batchId))?.counters.issued, 2);
      const ended = { durable: true, ended: true, cancelled: false };
      expectSame(await stores.chunkState(chunk.ref), ended);
    },
    broken: (stores) => ({
      publish: async (terminal) => {
        await stores.publish(terminal);
        return 'published';
      },
    }),
  },
  {
    name: 'each request is counted once, and the batch is complete when none is left',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const chunks = [0, 1, 2].map((n) =>
        aChunk(batch, [`a${String(n)}`, `b${String(n)}`], { chunkNumber: n, firstIndex: n * 2 }),
      );
      for (const chunk of chunks) {
        await receive(stores, chunk);
        await stores.decide(chunk.decision);
      }
      await stores.completeUpload(tenant, batch.batchId, 6, nowMs);
      const ends = [
        {},
        { codes: [0, rejectionNumber('KEY_COMPROMISED')] },
        {
          codes: Array<number>(2).fill(rejectionNumber('BATCH_CANCELLED')),
          released: [4, 5],
          endedAs: 'cancelled',
        },
      ] as const;
      for (const [n, chunk] of chunks.entries()) {
        const before = await stores.getBatch(tenant, batch.batchId);
        assert.ok(before);
        assert.equal(before.completedAtMs, undefined);
        assert.equal(inFlightOf(before.counters), 6 - n * 2);
        await stores.publish(chunk.terminal({ ...ends[n], publishedAtMs: nowMs + n }));
      }
      const { counters, completedAtMs } = (await stores.getBatch(tenant, batch.batchId)) ?? {};
      const expected = { accepted: 6, issued: 3, rejected: 1, cancelled: 2, deadLettered: 0 };
      expectSame(counters, expected);
      assert.equal(completedAtMs, nowMs + 2);
      assert.equal(await stores.reservedUnder(tenant, 'order'), 4);
    },
    broken: (stores) => ({
      publish: (terminal) => stores.publish({ ...terminal, endedAs: 'rejected' }),
    }),
  },
  {
    name: 'the places of accepted requests are told by device, else by key, newest first',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      for (const profileName of ['one', 'two']) {
        await issueAlone(stores, tenant, profileName, ['z', 'a'], { profileName });
      }
      await decideAlone(stores, tenant, 'pending', ['a'], { profileName: 'three' });
      const udid = udidOf('key of z');
      const devices = [{ deviceId: 'a', udid }, { deviceId: 'nobody', udid }, { udid }];
      const told = await stores.placesOf(tenant, devices, 16);
      const at = (name: string, index: number) => {
        return { batchId: aBatch(tenant, name).batchId, chunkNumber: 0, index };
      };
      const wanted = [
        [at('pending', 0), at('two', 1), at('one', 1)],
        [],
        [at('two', 0), at('one', 0)],
      ];
      expectSame(told, wanted);
      const [newest] = await stores.placesOf(tenant, [{ deviceId: 'a', udid }], 2);
      expectSame(newest, wanted[0]?.slice(0, 2));
      for (let i = 0; i < 20; i += 1) {
        await decideAlone(stores, tenant, `more ${String(i)}`, ['m'], {
          profileName: `m${String(i)}`,
        });
      }
      const many = [{ deviceId: 'm', udid }];
      assert.equal((await stores.placesOf(tenant, many, 16))[0]?.length, 16);
      assert.equal((await stores.placesOf(tenant, many, 100))[0]?.length, 20);
      expectSame(await stores.placesOf(`${tenant}-other`, [{ deviceId: 'a', udid }], 16), [[]]);
    },
    broken: (stores) => ({
      placesOf: async (...args) =>
        (await stores.placesOf(...args)).map((each) => each.toReversed()),
    }),
  },
  {
    name: 'who has a claim is told by device and profile, with those that it was taken over from',
    async run(stores, tenant) {
      const renewing = { orderId: 'renewal' };
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await stores.createOrder(anOrder(tenant, { ...renewing, renews: true }));
      await issueAlone(stores, tenant, 'first', ['a', 'b']);
      await issueAlone(stores, tenant, 'other', ['a', 'b'], { profileName: 'two' });
      await issueAlone(stores, tenant, 'second', [{ device: 'a', key: 'l' }], renewing);
      const third = [{ device: 'a', key: 'm' }];
      const { chunk } = await decideAlone(stores, tenant, 'third', third, renewing);
      const at = (name: string, index: number) => {
        return { batchId: aBatch(tenant, name).batchId, chunkNumber: 0, index };
      };
      const devices = ['b', 'a', 'nobody'].map((deviceId) => ({ deviceId, udid: udidOf('any') }));
      const told = () => stores.claimsOf(tenant, 'idevid', devices);
      expectSame(await told(), [
        [at('first', 1)],
        [at('third', 0), at('second', 0), at('first', 0)],
        [],
      ]);
      const released = { codes: [unavailable], released: [0] };
      await stores.publish(chunk.terminal(released));
      expectSame(await told(), [[at('first', 1)], [at('second', 0), at('first', 0)], []]);
      const others = await stores.claimsOf(tenant, 'two', devices);
      expectSame(others, [[at('other', 1)], [at('other', 0)], []]);
      expectSame(await stores.claimsOf(`${tenant}-other`, 'idevid', devices), [[], [], []]);
    },
    broken: (stores) => ({
      claimsOf: async (...args) => (await stores.claimsOf(...args)).map((each) => each.slice(0, 1)),
    }),
  },
  {
    name: 'certificates are found by key and by device, newest first, up to a limit',
    async run(stores, tenant) {
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      for (const profileName of ['one', 'two', 'three']) {
        await issueAlone(stores, tenant, profileName, ['z', 'a'], { profileName });
      }
      const batches = ['three', 'two'].map((name) => aBatch(tenant, name).batchId);
      const byKey = await stores.findByUdid(tenant, udidOf('key of a'), 2);
      const byDevice = await stores.findByDevice(tenant, 'a', 2);
      for (const found of [byKey, byDevice]) {
        expectSame(
          found.map(({ batchId, index }) => [batchId, index]),
          batches.map((batchId) => [batchId, 1]),
        );
        assert.equal(Buffer.from(found[0]?.segment ?? []).toString(), 'segment of z,a');
      }
    },
    broken: (stores) => ({
      findByDevice: async (tenant, deviceId, limit) =>
        (await stores.findByDevice(tenant, deviceId, 100)).toReversed().slice(0, limit),
    }),
  },
  {
    name: "another tenant's batches, verdicts and certificates are not found",
    async run(stores, tenant) {
      const other = `${tenant}-other`;
      await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await stores.createTenant(other, nowMs);
      const { ref } = await issueAlone(stores, tenant, 'first', ['a']);
      const foreign = { ...ref, tenant: other };
      expectSame(
        await Promise.all([
          stores.getBatch(other, ref.batchId),
          stores.getRegistration(foreign),
          stores.getVerdict(foreign),
          stores.getSegment(foreign),
          stores.chunkState(foreign),
        ]),
        Array(5).fill(undefined),
      );
      expectSame(await stores.findByDevice(other, 'a', 10), []);
      expectSame(await stores.findByUdid(other, udidOf('key of a'), 10), []);
      expectSame(await stores.getStatus(other, ref.batchId, 0), { state: 'good' });
      await stores.createOrder(anOrder(other));
      expectSame((await decideAlone(stores, other, 'own', ['a'])).codes, [undefined]);
    },
    broken: (stores) => ({
      getSegment: (chunk) =>
        stores.getSegment({ ...chunk, tenant: chunk.tenant.replace('-other', '') }),
    }),
  },
  {
    name: 'the latest time that was pinned or published is kept',
    async run(stores, tenant) {
      const later = (await stores.lastIssuanceMs()) + hourMs;
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const chunk = aChunk(batch, ['a']);
      await stores.registerChunk({ ...chunk.registration, receivedAtMs: later });
      const next = aChunk(batch, ['b'], { chunkNumber: 1, firstIndex: 1 });
      await stores.registerChunk({ ...next.registration, receivedAtMs: later - 1 });
      assert.equal(await stores.lastIssuanceMs(), later);
    },
    broken: () => ({ lastIssuanceMs: () => Promise.resolve(nowMs) }),
  },
];

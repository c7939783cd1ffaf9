import assert from 'node:assert/strict';
import type { OcspResponses, OcspStore } from '../ocsp.js';
import { expectSame } from './expect-same.js';

/** A rule of the port, and a store that breaks it: the case MUST fail on that one. */
export interface OcspStoreCase {
  readonly name: string;
  /** @param batchId of this run alone. */
  run(store: OcspStore, batchId: string): Promise<void>;
  broken(store: OcspStore): Partial<OcspStore>;
}

const nowMs = Date.UTC(2026, 10, 22);

/** None for each third request. */
function pairsOf(text: string, count: number): OcspResponses['pairs'] {
  return Array.from({ length: count }, (_, place) =>
    place % 3 === 2 ? undefined : new Uint8Array(Buffer.from(`${text} ${String(place)}`)),
  );
}

function responses(batchId: string, overrides: Partial<OcspResponses> = {}): OcspResponses {
  return {
    tenant: 'acme',
    batchId,
    chunkNumber: 1,
    firstIndex: 256,
    count: 100,
    issuer: 'dev',
    responder: 'r',
    producedAtMs: nowMs,
    thisUpdateMs: nowMs,
    nextUpdateMs: nowMs + 1_000,
    digest: 'd',
    pairs: pairsOf('first', overrides.count ?? 100),
    ...overrides,
  };
}

export const ocspCases: readonly OcspStoreCase[] = [
  {
    name: 'responses are found by every index of their chunk, and by no other',
    async run(store, batchId) {
      const { pairs, ...head } = responses(batchId);
      assert.equal(await store.putResponses({ ...head, pairs }, undefined), true);
      for (const index of [256, 300, 355]) {
        expectSame(await store.findResponses(batchId, index), head);
      }
      for (const index of [0, 255, 356, 5_000]) {
        assert.equal(await store.findResponses(batchId, index), undefined);
        assert.equal(await store.findPair(batchId, index), undefined);
      }
      assert.equal(await store.findResponses('f'.repeat(26), 256), undefined);
    },
    broken: (store) => ({ findResponses: (batchId) => store.findResponses(batchId, 256) }),
  },
  {
    name: 'a pair is found by its index alone, and is of the responses in force',
    async run(store, batchId) {
      const range = { firstIndex: 250, count: 100 };
      const before = responses(batchId, { chunkNumber: 0, firstIndex: 0, count: 250 });
      await store.putResponses(before, undefined);
      const first = responses(batchId, range);
      await store.putResponses(first, undefined);
      const changed = responses(batchId, {
        ...range,
        ...{ producedAtMs: nowMs + 1, thisUpdateMs: nowMs + 1_000, responder: 'other' },
        // A certificate ended, and one was not told of before.
        pairs: [undefined, ...pairsOf('second', 99)],
      });
      const expectInForce = async ({ pairs, ...head }: OcspResponses): Promise<void> => {
        const { issuer, responder, thisUpdateMs, nextUpdateMs } = head;
        for (const [place, packed] of pairs.entries()) {
          const told = packed && { issuer, responder, thisUpdateMs, nextUpdateMs, packed };
          expectSame(await store.findPair(batchId, head.firstIndex + place), told);
        }
      };
      await expectInForce(first);
      assert.equal(await store.putResponses(changed, nowMs), true);
      assert.equal(await store.putResponses(first, nowMs), false);
      await expectInForce(changed);
      await expectInForce(before);
    },
    broken: (store) => ({
      findPair: (batchId, index) => store.findPair(batchId, Math.min(index, 290)),
    }),
  },
  {
    name: 'of 8 writers that knew of the same responses one puts its own, whatever the time',
    async run(store, batchId) {
      const times = [3, 8, 1, 7, 2, 6, 4, 5];
      const first = await Promise.all(
        times.map((later) =>
          store.putResponses(responses(batchId, { producedAtMs: nowMs + later }), undefined),
        ),
      );
      expectSame(first.filter(Boolean), [true]);
      const inForce = nowMs + (times[first.indexOf(true)] ?? 0);
      assert.equal((await store.findResponses(batchId, 300))?.producedAtMs, inForce);
      const next = await Promise.all(
        times.map((later) =>
          store.putResponses(responses(batchId, { producedAtMs: nowMs + 10 + later }), inForce),
        ),
      );
      expectSame(next.filter(Boolean), [true]);
      const last = nowMs + 10 + (times[next.indexOf(true)] ?? 0);
      // A later time of who has read before is no later status.
      const late = responses(batchId, { producedAtMs: nowMs + 1_000 });
      assert.equal(await store.putResponses(late, inForce), false);
      assert.equal(await store.putResponses(late, undefined), false);
      assert.equal(
        await store.putResponses(responses(batchId, { producedAtMs: last }), last),
        false,
      );
      assert.equal((await store.findResponses(batchId, 300))?.producedAtMs, last);
    },
    broken: (store) => ({
      putResponses: async (given) => {
        const found = await store.findResponses(given.batchId, given.firstIndex);
        return store.putResponses(given, found?.producedAtMs);
      },
    }),
  },
  {
    name: 'responses are removed by who knows of them',
    async run(store, batchId) {
      await store.putResponses(responses(batchId), undefined);
      assert.equal(await store.removeResponses(batchId, 256, nowMs - 1), false);
      assert.notEqual(await store.findResponses(batchId, 256), undefined);
      assert.equal(await store.removeResponses(batchId, 256, nowMs), true);
      assert.equal(await store.findResponses(batchId, 256), undefined);
      assert.equal(await store.findPair(batchId, 256), undefined);
      assert.equal(await store.removeResponses(batchId, 256, nowMs), false);
    },
    broken: (store) => ({
      removeResponses: async (batchId, firstIndex) => {
        const found = await store.findResponses(batchId, firstIndex);
        return store.removeResponses(batchId, firstIndex, found?.producedAtMs ?? 0);
      },
    }),
  },
  {
    name: 'those that end are listed, the first first, and forgotten once they have',
    async run(store, batchId) {
      const ending = [
        [0, 50],
        [256, 20],
        [512, 90],
      ] as const;
      for (const [firstIndex, endsIn] of ending) {
        const chunkNumber = firstIndex / 256;
        await store.putResponses(
          responses(batchId, { chunkNumber, firstIndex, nextUpdateMs: endsIn }),
          undefined,
        );
      }
      await store.putResponses(
        responses(batchId, { firstIndex: 768, issuer: 'other', nextUpdateMs: 10 }),
        undefined,
      );
      const ours = { issuers: ['none', 'dev'], limit: 1_000 };
      const own = (await store.listEndingResponses(60, ours)).filter(
        (listed) => listed.batchId === batchId,
      );
      expectSame(
        own.map(({ tenant, chunkNumber, nextUpdateMs }) => [tenant, chunkNumber, nextUpdateMs]),
        [
          ['acme', 1, 20],
          ['acme', 0, 50],
        ],
      );
      assert.equal((await store.listEndingResponses(60, { ...ours, limit: 1 })).length, 1);
      expectSame(await store.listFirstIndexes(batchId), [0, 256, 512, 768]);
      assert.ok((await store.forgetResponses(30)) >= 1);
      assert.equal(await store.findResponses(batchId, 300), undefined);
      assert.notEqual(await store.findResponses(batchId, 10), undefined);
    },
    broken: (store) => ({
      listEndingResponses: (beforeMs, page) =>
        store.listEndingResponses(beforeMs, { ...page, issuers: ['dev', 'other'] }),
    }),
  },
  {
    name: 'a responder is kept as it was first told',
    async run(store, batchId) {
      const responder = {
        id: `responder of ${batchId}`,
        issuer: 'dev',
        certificateDer: new Uint8Array(Buffer.from('certificate')),
        notAfterMs: nowMs,
      };
      assert.equal(await store.getResponder(responder.id), undefined);
      await store.putResponder(responder);
      await store.putResponder({ ...responder, issuer: 'other' });
      expectSame(await store.getResponder(responder.id), responder);
    },
    broken: () => ({ putResponder: () => Promise.resolve() }),
  },
];

import assert from 'node:assert/strict';
import type { CrlScope, CrlStore, StoredCrl } from '../revocations.js';
import { expectSame } from './expect-same.js';
import type { StoreCase } from './store-case.js';
import { atOnce, hex, meetingPlace, nowMs, writers } from './stores-fixture.js';

/** More than a document of any database holds. */
const largeBytes = 20 * 1024 * 1024;

/** A CRL whose octets tell its number throughout: a torn one has those of two. */
function aCrl(tenant: string, number: number, changes: Partial<StoredCrl> = {}): StoredCrl {
  return {
    scope: { issuer: `${tenant}-ca`, shard: 7 },
    kind: 'full',
    crlNumber: BigInt(nowMs) + BigInt(number),
    thisUpdateMs: nowMs + number,
    nextUpdateMs: nowMs + number + 1_000,
    entries: number,
    changes: number,
    hasDeltas: number % 2 === 1,
    der: Buffer.from(hex(String(number)).repeat(100)),
    ...changes,
  };
}

async function inForce(stores: CrlStore, { scope, kind }: Pick<StoredCrl, 'scope' | 'kind'>) {
  const crl = await stores.getCrl(scope, kind);
  assert.ok(crl !== undefined);
  return crl;
}

function withoutDer({ der: _, ...rest }: StoredCrl): Omit<StoredCrl, 'der'> {
  return rest;
}

/** CRLs in force. */
export const crlCases: readonly StoreCase<CrlStore>[] = [
  {
    name: 'a CRL is served as it was put, and described without its octets',
    async run(stores, tenant) {
      const crl = aCrl(tenant, 1);
      assert.equal(await stores.describeCrl(crl.scope, 'full'), undefined);
      assert.equal(await stores.getCrl(crl.scope, 'full'), undefined);
      assert.equal(await stores.putCrl(crl, undefined), true);
      const stored = await inForce(stores, crl);
      expectSame(withoutDer(stored), withoutDer(crl));
      assert.equal(Buffer.compare(stored.der, crl.der), 0);
      expectSame(await stores.describeCrl(crl.scope, 'full'), withoutDer(crl));
    },
    broken: (stores) => ({
      putCrl: (crl, replaces) => stores.putCrl({ ...crl, hasDeltas: false }, replaces),
    }),
  },
  {
    name: 'a CRL is replaced by one of a larger number only, whose maker knew of it',
    async run(stores, tenant) {
      const numberOf = (number: number) => aCrl(tenant, number).crlNumber;
      assert.equal(await stores.putCrl(aCrl(tenant, 5), numberOf(1)), false);
      assert.equal(await stores.putCrl(aCrl(tenant, 5), undefined), true);
      // Of two that began before there was one, the second has fewer changes, whatever its number.
      assert.equal(await stores.putCrl(aCrl(tenant, 6, { changes: 1 }), undefined), false);
      assert.equal(await stores.putCrl(aCrl(tenant, 6), numberOf(4)), false);
      assert.equal(await stores.putCrl(aCrl(tenant, 4), numberOf(5)), false);
      assert.equal(await stores.putCrl(aCrl(tenant, 5, { entries: 99 }), numberOf(5)), false);
      assert.equal((await inForce(stores, aCrl(tenant, 5))).entries, 5);
      const huge = aCrl(tenant, 6, { crlNumber: 1n << 150n });
      assert.equal(await stores.putCrl(huge, numberOf(5)), true);
      assert.equal(await stores.putCrl(aCrl(tenant, 7), 1n << 150n), false);
      assert.equal((await inForce(stores, huge)).crlNumber, 1n << 150n);
    },
    // Numbers are times: who has the later one need not have read later.
    broken: (stores) => ({
      putCrl: async (crl) => {
        const found = await stores.describeCrl(crl.scope, crl.kind);
        return stores.putCrl(crl, found?.crlNumber);
      },
    }),
  },
  {
    name: 'of writers at once that knew of the same CRL one puts its own',
    async run(stores, tenant) {
      for (let round = 0; round < 3; round += 1) {
        const before = await stores.describeCrl(aCrl(tenant, 0).scope, 'full');
        const numbers = Array.from({ length: writers }, (_, i) => 1 + i + writers * round);
        const stored = await atOnce((writer) =>
          stores.putCrl(aCrl(tenant, numbers[writer] ?? 0), before?.crlNumber),
        );
        expectSame(stored.filter(Boolean), [true]);
        const winner = aCrl(tenant, numbers[stored.indexOf(true)] ?? 0);
        const last = await inForce(stores, winner);
        expectSame(withoutDer(last), withoutDer(winner));
        assert.equal(Buffer.compare(last.der, winner.der), 0);
      }
    },
    broken(stores) {
      const meet = meetingPlace();
      let latest = Promise.resolve();
      return {
        // A look and then a write: who writes last wins.
        putCrl: async (crl, replaces) => {
          const found = await stores.describeCrl(crl.scope, crl.kind);
          await meet();
          latest = latest.then(async () => {
            const now = await stores.describeCrl(crl.scope, crl.kind);
            const above = (now?.crlNumber ?? 0n) + 1n;
            await stores.putCrl({ ...crl, crlNumber: above }, now?.crlNumber);
          });
          await latest;
          return found?.crlNumber === replaces;
        },
      };
    },
  },
  {
    name: 'full and delta, and each shard and issuer, have CRLs of their own',
    async run(stores, tenant) {
      const { scope } = aCrl(tenant, 1);
      const others: readonly CrlScope[] = [
        scope,
        { ...scope, shard: 8 },
        { ...scope, issuer: `${tenant}-cb` },
      ];
      let number = 0;
      for (const each of others) {
        for (const kind of ['full', 'delta'] as const) {
          assert.equal(
            await stores.putCrl(aCrl(tenant, (number += 1), { scope: each, kind }), undefined),
            true,
          );
        }
      }
      number = 0;
      for (const each of others) {
        for (const kind of ['full', 'delta'] as const) {
          assert.equal((await inForce(stores, { scope: each, kind })).entries, (number += 1));
        }
      }
    },
    broken: (stores) => ({
      getCrl: (scope) => stores.getCrl(scope, 'full'),
    }),
  },
  {
    name: 'a large CRL comes back whole',
    async run(stores, tenant) {
      const der = Buffer.alloc(largeBytes);
      for (let at = 0; at < largeBytes; at += 4_096) der.writeUInt32LE(at, at);
      const crl = aCrl(tenant, 1, { der });
      await stores.putCrl(crl, undefined);
      assert.equal(Buffer.compare((await inForce(stores, crl)).der, der), 0);
    },
    broken: (stores) => ({
      putCrl: (crl, replaces) =>
        stores.putCrl({ ...crl, der: crl.der.subarray(0, 8 * 1024 * 1024) }, replaces),
    }),
  },
  {
    name: 'a CRL that is read while it is replaced is the one or the other',
    async run(stores, tenant) {
      const rounds = 20;
      await stores.putCrl(aCrl(tenant, 1), undefined);
      const write = async (): Promise<void> => {
        for (let number = 2; number <= rounds; number += 1) {
          const before = aCrl(tenant, number - 1).crlNumber;
          assert.equal(await stores.putCrl(aCrl(tenant, number), before), true);
        }
      };
      const writer = { isDone: false };
      const written = write().finally(() => {
        writer.isDone = true;
      });
      try {
        do {
          const crl = await inForce(stores, aCrl(tenant, 1));
          assert.equal(Buffer.compare(crl.der, aCrl(tenant, crl.entries).der), 0);
        } while (!writer.isDone);
      } finally {
        await written;
      }
      assert.equal((await inForce(stores, aCrl(tenant, 1))).entries, rounds);
    },
    broken: (stores) => ({
      getCrl: async (scope, kind) => {
        const crl = await stores.getCrl(scope, kind);
        return crl && { ...crl, entries: crl.entries - 1 };
      },
    }),
  },
];

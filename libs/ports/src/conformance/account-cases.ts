import assert from 'node:assert/strict';
import { isCertmillError, type FaultCode } from '@certmill/domain';
import type { AllowListRow, StoredProfile } from '../stores.js';
import { expectSame } from './expect-same.js';
import type { StoreCase } from './store-case.js';
import { anOrder, atOnce, hex, meetingPlace, nowMs, udidOf } from './stores-fixture.js';

export function hasCode(code: FaultCode) {
  return (error: unknown): boolean => isCertmillError(error) && error.code === code;
}

function aCredential(tenant: string, label: string) {
  return { keyHash: hex(tenant + label), tenant, role: 'factory', label, createdAtMs: 1 } as const;
}

function aProfile(tenant: string, version: number, canonical: string): StoredProfile {
  return { tenant, name: 'idevid', version, hash: hex(canonical), canonical, addedAtMs: 1 };
}

async function* rowsOf(...rows: readonly AllowListRow[]): AsyncGenerator<AllowListRow> {
  for (const row of rows) yield await Promise.resolve(row);
}

async function pagesOf<T>(
  list: (cursor: string | undefined) => Promise<{ items: readonly T[]; next?: string }>,
): Promise<T[]> {
  const seen: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await list(cursor);
    seen.push(...page.items);
    cursor = page.next;
    assert.ok(seen.length < 100, 'the listing never ends');
  } while (cursor !== undefined);
  return seen;
}

/** Tenants, credentials, profiles, orders and allow-lists. */
export const accountCases: readonly StoreCase[] = [
  {
    name: 'of 8 writers at once one creates the tenant',
    async run(stores, tenant) {
      const created = await atOnce((writer) => stores.createTenant(tenant, writer));
      assert.equal(created.filter(Boolean).length, 1);
      assert.equal(await stores.hasTenant(tenant), true);
      assert.equal(await stores.hasTenant(`${tenant}-other`), false);
    },
    broken: (stores) => {
      const allHaveLooked = meetingPlace();
      return {
        createTenant: async (tenant, atMs) => {
          const had = await stores.hasTenant(tenant);
          await allHaveLooked();
          await stores.createTenant(tenant, atMs);
          return !had;
        },
      };
    },
  },
  {
    name: 'a credential is found by the hash of its key and removed by its own tenant only',
    async run(stores, tenant) {
      const own = aCredential(tenant, 'own');
      await stores.addCredential(own);
      expectSame(await stores.findCredential(own.keyHash), own);
      assert.equal(await stores.removeCredential(`${tenant}-other`, own.keyHash), false);
      expectSame(await stores.listCredentials(tenant), [own]);
      assert.equal(await stores.removeCredential(tenant, own.keyHash), true);
      assert.equal(await stores.findCredential(own.keyHash), undefined);
    },
    broken: (stores) => ({
      removeCredential: async (_, keyHash) => {
        const found = await stores.findCredential(keyHash);
        return found !== undefined && stores.removeCredential(found.tenant, keyHash);
      },
    }),
  },
  {
    name: 'a key is no credential of two tenants',
    async run(stores, tenant) {
      const own = aCredential(tenant, 'twice');
      await stores.addCredential(own);
      await assert.rejects(
        stores.addCredential({ ...own, tenant: `${tenant}-other` }),
        hasCode('CONFLICT'),
      );
      assert.equal((await stores.findCredential(own.keyHash))?.tenant, tenant);
    },
    broken: (stores) => ({
      addCredential: async (credential) => {
        const found = await stores.findCredential(credential.keyHash);
        if (found !== undefined) await stores.removeCredential(found.tenant, found.keyHash);
        await stores.addCredential(credential);
      },
    }),
  },
  {
    name: 'a version of a profile is stored once; other content is a conflict',
    async run(stores, tenant) {
      await atOnce(() => stores.addProfile(aProfile(tenant, 1, 'one')));
      await assert.rejects(stores.addProfile(aProfile(tenant, 1, 'other')), hasCode('CONFLICT'));
      const { items } = await stores.listProfiles(tenant, { limit: 2 });
      expectSame(items, [aProfile(tenant, 1, 'one')]);
    },
    broken: (stores) => ({
      addProfile: (profile) => stores.addProfile(profile).catch(() => undefined),
    }),
  },
  {
    name: 'profiles are listed page by page, by name, then by version',
    async run(stores, tenant) {
      const places = [
        ['sensor-b', 1],
        ['sensor', 10],
        ['sensor', 9],
        ['sensor', 1],
      ] as const;
      for (const [name, version] of places) {
        await stores.addProfile({ ...aProfile(tenant, version, `${name} ${version}`), name });
      }
      await stores.addProfile(aProfile(`${tenant}-other`, 1, 'of another tenant'));
      for (const limit of [1, 2, 3, 4, 1_000]) {
        const seen = await pagesOf(async (cursor) => {
          const from = cursor === undefined ? {} : { cursor };
          const page = await stores.listProfiles(tenant, { limit, ...from });
          assert.ok(page.items.length <= limit);
          return page;
        });
        expectSame(
          seen.map(({ name, version }) => [name, version]),
          [...places].reverse(),
        );
      }
      for (const cursor of ['made up', Buffer.from('sensor').toString('base64url')]) {
        await assert.rejects(
          stores.listProfiles(tenant, { limit: 2, cursor }),
          hasCode('INVALID_INPUT'),
        );
      }
    },
    broken: (stores) => ({
      listProfiles: async (tenant, page) => {
        const { items, ...rest } = await stores.listProfiles(tenant, page);
        const keyOf = ({ name, version }: StoredProfile): string => `${name}/${String(version)}`;
        return { items: items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)), ...rest };
      },
    }),
  },
  {
    name: 'a page has 100 profiles at most',
    async run(stores, tenant) {
      const versions = Array.from({ length: 101 }, (_, i) => i + 1);
      await Promise.all(
        versions.map((version) => stores.addProfile(aProfile(tenant, version, String(version)))),
      );
      const { items, next } = await stores.listProfiles(tenant, { limit: 1_000 });
      expectSame(
        items.map(({ version }) => version),
        versions.slice(0, 100),
      );
      assert.ok(next !== undefined);
      const last = await stores.listProfiles(tenant, { limit: 1_000, cursor: next });
      expectSame(last, { items: [aProfile(tenant, 101, '101')] });
    },
    broken: (stores) => ({
      listProfiles: async (tenant, page) => {
        const first = await stores.listProfiles(tenant, page);
        if (first.next === undefined || page.limit <= 100) return first;
        const { items } = await stores.listProfiles(tenant, { ...page, cursor: first.next });
        return { items: [...first.items, ...items] };
      },
    }),
  },
  {
    name: 'a profile for all tenants takes the place of no profile that one has',
    async run(stores, tenant) {
      const [withOwn, without] = [`${tenant}-with`, `${tenant}-without`];
      for (const each of [withOwn, without]) await stores.createTenant(each, 1);
      await stores.addProfile({ ...aProfile(withOwn, 1, 'own'), name: tenant });
      const shipped = { ...aProfile(tenant, 1, 'shipped'), name: tenant };
      expectSame(await stores.addProfileToAll(shipped), [withOwn]);
      expectSame(await stores.addProfileToAll(shipped), [withOwn]);
      assert.equal((await stores.findProfile(withOwn, tenant))?.hash, hex('own'));
      assert.equal((await stores.findProfile(without, tenant))?.hash, hex('shipped'));
    },
    broken: (stores) => ({
      addProfileToAll: async (profile) => {
        const { items } = await stores.listTenants({ limit: 500 });
        for (const each of items) await stores.addProfile({ ...profile, tenant: each });
        return [];
      },
    }),
  },
  {
    name: 'the highest version of a profile name is found, each version by its hash',
    async run(stores, tenant) {
      for (const version of [2, 10, 1]) {
        await stores.addProfile(aProfile(tenant, version, `version ${String(version)}`));
      }
      assert.equal((await stores.findProfile(tenant, 'idevid'))?.version, 10);
      assert.equal((await stores.getProfile(tenant, hex('version 2')))?.version, 2);
      assert.equal(await stores.getProfile(`${tenant}-other`, hex('version 2')), undefined);
    },
    broken: (stores) => ({
      findProfile: async (tenant) => (await stores.listProfiles(tenant, { limit: 1 })).items[0],
    }),
  },
  {
    name: 'of 8 writers at once one creates the order',
    async run(stores, tenant) {
      const created = await atOnce((writer) =>
        stores.createOrder(anOrder(tenant, { quota: 100 + writer })),
      );
      assert.equal(created.filter(Boolean).length, 1);
      const quota = 100 + created.indexOf(true);
      expectSame(await stores.getOrder(tenant, 'order'), anOrder(tenant, { quota }));
      assert.equal(await stores.getOrder(`${tenant}-other`, 'order'), undefined);
    },
    broken: (stores) => {
      const allHaveLooked = meetingPlace();
      return {
        createOrder: async (order) => {
          const had = await stores.getOrder(order.tenant, order.orderId);
          await allHaveLooked();
          await stores.createOrder(order);
          return had === undefined;
        },
      };
    },
  },
  {
    name: 'an order says whether it renews, and whether a reissue alone uploads into it',
    async run(stores, tenant) {
      const orders = [
        anOrder(tenant),
        anOrder(tenant, { orderId: 'renewal', renews: true }),
        anOrder(tenant, { orderId: 'reissue', renews: true, reissues: true }),
      ];
      for (const order of orders) await stores.createOrder(order);
      const stored = orders.map(({ orderId }) => stores.getOrder(tenant, orderId));
      expectSame(await Promise.all(stored), orders);
      expectSame((await stores.listOrders(tenant, { limit: 3 })).items, orders.toReversed());
    },
    broken: (stores) => ({
      createOrder: ({ reissues: _, ...order }) => stores.createOrder(order),
    }),
  },
  {
    name: 'the first time an order is closed stays',
    async run(stores, tenant) {
      await stores.createOrder(anOrder(tenant));
      assert.equal((await stores.closeOrder(tenant, 'order', nowMs))?.closedAtMs, nowMs);
      assert.equal((await stores.closeOrder(tenant, 'order', nowMs + 1))?.closedAtMs, nowMs);
      assert.equal(await stores.closeOrder(`${tenant}-other`, 'order', nowMs), undefined);
    },
    broken: (stores) => ({
      closeOrder: async (tenant, orderId, atMs) => {
        const order = await stores.closeOrder(tenant, orderId, atMs);
        return order && { ...order, closedAtMs: atMs };
      },
    }),
  },
  {
    name: 'a listing goes on where its cursor stands while orders are added',
    async run(stores, tenant) {
      for (let i = 0; i < 5; i += 1) {
        await stores.createOrder(anOrder(tenant, { orderId: `order-${String(i)}` }));
      }
      let added = 0;
      const seen = await pagesOf(async (cursor) => {
        const page = await stores.listOrders(tenant, {
          limit: 2,
          ...(cursor === undefined ? {} : { cursor }),
        });
        await stores.createOrder(anOrder(tenant, { orderId: `late-${String((added += 1))}` }));
        return page;
      });
      expectSame(
        seen.map(({ orderId }) => orderId),
        ['order-4', 'order-3', 'order-2', 'order-1', 'order-0'],
      );
      await assert.rejects(
        stores.listOrders(tenant, { limit: 2, cursor: 'made up' }),
        hasCode('INVALID_INPUT'),
      );
    },
    broken: (stores) => ({
      listOrders: async (tenant, { limit, cursor }) => {
        const { items } = await stores.listOrders(tenant, { limit: 100 });
        const from = Number(cursor ?? 0);
        const next = from + limit < items.length ? { next: String(from + limit) } : {};
        return { items: items.slice(from, from + limit), ...next };
      },
    }),
  },
  {
    name: 'a row of the allow-list is found by device, else by key, aligned with the queries',
    async run(stores, tenant) {
      await stores.createOrder(anOrder(tenant));
      const byDevice: AllowListRow = { deviceId: 'd\u00e9-1', serial: 'S1', site: 'east' };
      const byKey: AllowListRow = { udid: hex('key 2'), model: 'M' };
      const rows = rowsOf(byDevice, byKey);
      assert.equal(await stores.importAllowList(tenant, 'order', rows), 2);
      assert.equal((await stores.getOrder(tenant, 'order'))?.allowListDevices, 2);
      const found = await stores.lookUp(tenant, 'order', [
        { deviceId: 'nobody', udid: udidOf('nothing') },
        { deviceId: 'd\u00e9-1', udid: udidOf('nothing') },
        { udid: udidOf('key 2') },
      ]);
      expectSame(found, [undefined, byDevice, byKey]);
      const foreign = await stores.lookUp(`${tenant}-other`, 'order', [{ udid: udidOf('key 2') }]);
      expectSame(foreign, [undefined]);
    },
    broken: (stores) => ({
      lookUp: async (tenant, orderId, queries) =>
        (await stores.lookUp(tenant, orderId, queries)).filter((row) => row !== undefined),
    }),
  },
  {
    name: 'an allow-list replaces the one before whole, or not at all',
    async run(stores, tenant) {
      await stores.createOrder(anOrder(tenant));
      const query = [{ deviceId: 'first', udid: udidOf('x') }];
      await stores.importAllowList(tenant, 'order', rowsOf({ deviceId: 'first' }));
      await assert.rejects(
        stores.importAllowList(tenant, 'order', rowsOf({ deviceId: 'b' }, { deviceId: 'b' })),
        hasCode('INVALID_INPUT'),
      );
      expectSame(await stores.lookUp(tenant, 'order', query), [{ deviceId: 'first' }]);
      await stores.importAllowList(tenant, 'order', rowsOf({ deviceId: 'second' }));
      expectSame(await stores.lookUp(tenant, 'order', query), [undefined]);
      await assert.rejects(
        stores.importAllowList(`${tenant}-other`, 'order', rowsOf()),
        hasCode('NOT_FOUND'),
      );
    },
    broken: (stores) => ({
      importAllowList: async (tenant, orderId, rows) => {
        const kept = new Map<unknown, AllowListRow>();
        for await (const row of rows) kept.set(row.deviceId, row);
        return stores.importAllowList(tenant, orderId, rowsOf(...kept.values()));
      },
    }),
  },
];

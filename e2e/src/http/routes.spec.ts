import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { CertmillError } from '@certmill/domain';
import { builtInProfileNames } from '@certmill/domain/profile-files';
import { pemEncode } from '@certmill/der';
import { batchSchema, orderSchema, pageOf, profileSchema } from '@certmill/platform';
import { patchedStore } from '../crash/patched-store.js';
import { csrsOf, csvOf, ndjsonOf, type DeviceCsr } from '../testing/a-csr.js';
import {
  aDataFolder,
  anOrder,
  aServer,
  aTenantKey,
  ndjson,
  type TestServer,
} from './test-server.js';
import { aServerThatWaits } from './waiting-server.js';

const csv = { 'content-type': 'text/csv' };
const yaml = { 'content-type': 'application/yaml' };

let server: TestServer;
beforeAll(async () => {
  server = await aServer();
  await anOrder(server, 'o1');
});
afterAll(() => server[Symbol.asyncDispose]());

const getJson = async <T>(path: string): Promise<T> =>
  (await (await server.call('GET', path)).json()) as T;

describe('an upload', () => {
  type Csrs = readonly DeviceCsr[];
  const tarOf = (csrs: Csrs, folder: string): Buffer => {
    mkdirSync(join(folder, 'in'));
    for (const { deviceId, csr } of csrs) writeFileSync(join(folder, 'in', `${deviceId}.der`), csr);
    return execFileSync('tar', ['cf', '-', 'in'], { cwd: folder });
  };
  const formats: Readonly<Record<string, (csrs: Csrs, folder: string) => Buffer | string>> = {
    'application/x-ndjson': ndjsonOf,
    'text/csv': csvOf,
    'application/x-pem-file': (csrs) =>
      csrs.map(({ csr }) => pemEncode('CERTIFICATE REQUEST', csr)).join(''),
    'application/x-tar': tarOf,
  };
  const codings: Readonly<Record<string, (body: Buffer) => Buffer>> = {
    identity: (body) => body,
    gzip: (body) => gzipSync(body),
    zstd: (body) => zstdCompressSync(body),
  };
  const cases = Object.keys(formats).flatMap((type) =>
    Object.keys(codings).map((coding) => [type, coding] as const),
  );

  it.each(cases)('may be %s, %s', async (type, coding) => {
    await using folder = await aDataFolder();
    const prefix = `${type.replaceAll(/[^a-z]/g, '-')}-${coding}`;
    const csrs = csrsOf(3, prefix);
    const body = codings[coding]?.(Buffer.from(formats[type]?.(csrs, folder.path) ?? ''));
    const uploaded = await server.call('POST', '/v1/orders/o1/batches', {
      headers: {
        'content-type': type,
        'idempotency-key': prefix,
        ...(coding === 'identity' ? {} : { 'content-encoding': coding }),
      },
      body: new Uint8Array(body ?? []),
    });
    expect(uploaded.status).toBe(202);
    const path = `${uploaded.headers.get('location') ?? ''}/certificates?follow=true&format=ndjson`;
    const lines = (await (await server.call('GET', path)).text()).trim().split('\n');
    const subjects = lines.map(
      (line) =>
        new X509Certificate((JSON.parse(line) as { certificate: string }).certificate).subject,
    );
    expect(subjects.sort()).toEqual(csrs.map(({ deviceId }) => `CN=${deviceId}`).sort());
  });

  it('that is cut short in its coding is refused, and says where it goes on', async () => {
    const whole = gzipSync(ndjsonOf(csrsOf(4, 'short')));
    const response = await server.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': 'short', 'content-encoding': 'gzip' },
      body: new Uint8Array(whole.subarray(0, whole.length - 20)),
    });
    expect(await response.json()).toMatchObject({
      status: 400,
      code: 'INVALID_INPUT',
      nextIndex: 0,
    });
  });
});

describe('the manifest', () => {
  it('of a batch that runs is a 409, and is there once the batch is complete', async () => {
    await using waiting = await aServerThatWaits();
    const uploaded = await waiting.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': 'm' },
      body: ndjsonOf(csrsOf(3)),
    });
    const path = `${uploaded.headers.get('location') ?? ''}/manifest`;
    const early = await waiting.call('GET', path);
    expect(await early.json()).toMatchObject({ status: 409, code: 'CONFLICT' });
    const followed = waiting.call('GET', `${path}?follow=true`);
    waiting.gate.resolve(undefined);
    expect((await followed).status).toBe(200);
    expect((await waiting.call('GET', path)).status).toBe(200);
  });
});

describe('/readyz', () => {
  it('is red once a stage is halted, and names it; /healthz stays green', async () => {
    await using halting = await aServer(
      {},
      {
        aroundStore: (store) =>
          patchedStore(store, {
            decide: () =>
              Promise.reject(
                new CertmillError('FAULT_STORE_CORRUPT', 'a page of /srv/certmill/x is torn'),
              ),
          }),
      },
    );
    expect((await halting.call('GET', '/readyz', { key: null })).status).toBe(200);
    await anOrder(halting, 'o1');
    await halting.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': 'h' },
      body: ndjsonOf(csrsOf(1)),
    });
    let ready = await halting.call('GET', '/readyz', { key: null });
    while (ready.status === 200) ready = await halting.call('GET', '/readyz', { key: null });
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: 'halted', stages: [{ stage: 'validate', code: 'FAULT_STORE_CORRUPT' }] },
    ]);
    expect((await halting.call('GET', '/healthz', { key: null })).status).toBe(200);
  });
});

describe('an allow-list', () => {
  const put = (
    order: string,
    headers: Record<string, string>,
    body: string | Uint8Array<ArrayBuffer>,
  ) => server.call('PUT', `/v1/orders/${order}/devices`, { headers, body });
  const devicesOf = async (order: string): Promise<number> =>
    (await getJson<{ devices: number }>(`/v1/orders/${order}`)).devices;
  beforeAll(async () => {
    await anOrder(server, 'listed', { requiresAllowList: true });
    const first = await put('listed', csv, 'deviceId,serial\nkept-1,1\nkept-2,2\n');
    expect([first.status, await first.json()]).toEqual([200, { devices: 2 }]);
  });

  it.each([
    ['CSV that is coded inside', csv, new Uint8Array(gzipSync('deviceId\na\nb\nc\n')), 3],
    ['NDJSON', ndjson, '{"deviceId":"kept-1"}\n{"deviceId":"kept-2"}\n', 2],
  ])('replaces the one before as a whole: %s', async (_, headers, body, devices) => {
    const response = await put('listed', headers, body);
    expect([response.status, await response.json()]).toEqual([200, { devices }]);
    expect(await devicesOf('listed')).toBe(devices);
  });

  it.each([
    ['an unknown column', csv, 'deviceId,colour\na,red\n', 400, /line 1/],
    [
      'a bad row behind good ones',
      csv,
      `deviceId,udid\na,${'0'.repeat(64)}\nb,xyz\n`,
      400,
      /line 3/,
    ],
    ['a device twice', csv, 'deviceId\na\na\n', 400, /row 2: .*'a' is on row 1/],
    ['a row over the limit', csv, `deviceId\n${'x'.repeat(20_000)}\n`, 400, /16384/],
    ['a device id over the limit', csv, `deviceId\n${'x'.repeat(129)}\n`, 400, /128/],
    ['no JSON', ndjson, 'deviceId\n', 400, /line 1/],
    ['another media type', { 'content-type': 'application/x-tar' }, 'x', 415, /text\/csv/],
    ['a coding of the call', { ...csv, 'content-encoding': 'gzip' }, 'x', 415, /identity/],
  ] as const)('that is bad changes nothing: %s', async (_, headers, body, status, reason) => {
    const before = await devicesOf('listed');
    const problem = (await (await put('listed', headers, body)).json()) as { detail: string };
    expect(problem).toMatchObject({ status, code: 'INVALID_INPUT' });
    expect(problem.detail).toMatch(reason);
    expect(await devicesOf('listed')).toBe(before);
  });

  it('of an order that is not there is a 404', async () => {
    expect((await put('nope', csv, 'deviceId\na\n')).status).toBe(404);
  });

  it('admits its devices only', async () => {
    await put('listed', csv, 'deviceId\nkept-1\n');
    const uploaded = await server.call('POST', '/v1/orders/listed/batches', {
      headers: { ...ndjson, 'idempotency-key': 'listed' },
      body: ndjsonOf(csrsOf(3, 'kept')),
    });
    const path = `${uploaded.headers.get('location') ?? ''}/rejections?follow=true`;
    const lines = (await (await server.call('GET', path)).text()).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { deviceId: 'kept-0', code: 'DEVICE_NOT_AUTHORIZED' },
      { deviceId: 'kept-2', code: 'DEVICE_NOT_AUTHORIZED' },
    ]);
  });
});

interface ProfilePage {
  readonly items: readonly { readonly name: string }[];
  readonly next?: string;
}

describe('profiles', () => {
  const own = readFileSync('libs/domain/profiles/tls-client.yaml', 'utf8')
    .replace('name: tls-client', 'name: mine')
    .replace(/^version: .*$/m, 'version: 1');
  const add = (body: string, headers: Record<string, string> = yaml): Promise<Response> =>
    server.call('POST', '/v1/profiles', { headers, body });

  it('are added, listed, shown and ordered', async () => {
    const added = await add(own);
    expect(added.status).toBe(201);
    const view = profileSchema.parse(await added.json());
    expect(view).toMatchObject({ name: 'mine', version: 1 });
    const listed = await getJson<ProfilePage>('/v1/profiles');
    const names = listed.items.map(({ name }) => name).sort();
    expect(names).toEqual([...builtInProfileNames, 'mine'].sort());
    const paged: string[] = [];
    for (let next: string | undefined = ''; next !== undefined;) {
      const query: string = next === '' ? '' : `&cursor=${next}`;
      const page = await getJson<ProfilePage>(`/v1/profiles?limit=3${query}`);
      expect(page.items.length).toBeLessThanOrEqual(3);
      paged.push(...page.items.map(({ name }) => name));
      next = page.next;
    }
    expect(paged).toEqual(names);
    expect((await server.call('GET', '/v1/profiles?limit=3&cursor=x')).status).toBe(400);
    expect(await getJson('/v1/profiles/mine')).toMatchObject({
      ...view,
      profile: { name: 'mine' },
    });
    expect((await anOrder(server, 'of-mine', { profile: 'mine' })).status).toBe(201);
    const order = orderSchema.parse(await getJson('/v1/orders/of-mine'));
    expect(order['profileHash']).toBe(view['hash']);
  });

  it('of a version never change; the highest is what orders get', async () => {
    expect((await add(own)).status).toBe(201);
    const changed = own.replace('lifetime: 2y', 'lifetime: 1y');
    expect(await (await add(changed)).json()).toMatchObject({ status: 409, code: 'CONFLICT' });
    const next = await add(changed.replace('version: 1', 'version: 2'));
    expect(await next.json()).toMatchObject({ name: 'mine', version: 2 });
    expect(await getJson('/v1/profiles/mine')).toMatchObject({ version: 2 });
  });

  it.each([
    ['an unknown key', `${own}\ncolour: red\n`, 400, 'PROFILE_INVALID'],
    ['no YAML', 'a: [', 400, 'PROFILE_INVALID'],
    [
      'what would make a CA',
      readFileSync('libs/trust/test-data/bad-profiles/custom-ca-true.yaml', 'utf8'),
      400,
      'PROFILE_INVALID',
    ],
  ])('that are bad are refused: %s', async (_, body, status, code) => {
    const problem = (await (await add(body)).json()) as { detail: string };
    expect(problem).toMatchObject({ status, code });
    expect(problem.detail).not.toBe('');
  });

  it('are YAML, and those of the own tenant', async () => {
    const json = await add('{}', { 'content-type': 'application/json' });
    expect(await json.json()).toMatchObject({ status: 400, code: 'INVALID_INPUT' });
    expect((await server.call('GET', '/v1/profiles/no-such')).status).toBe(404);
    const stranger = await aTenantKey(server, 'stranger');
    expect((await server.call('GET', '/v1/profiles/mine', { key: stranger })).status).toBe(404);
    const factory = await aTenantKey(server, 'stranger', 'factory');
    const refused = await server.call('POST', '/v1/profiles', {
      key: factory,
      headers: yaml,
      body: own,
    });
    expect(refused.status).toBe(403);
  });
});

describe('lists', () => {
  interface Page {
    readonly items: readonly { readonly orderId: string; readonly batchId?: string }[];
    readonly next?: string;
  }

  /** All pages of a list, from the first on. */
  const pagesOf = async (path: string, limit: number, key: string): Promise<Page[]> => {
    const pages: Page[] = [];
    let cursor = '';
    do {
      const response = await server.call('GET', `${path}?limit=${String(limit)}${cursor}`, { key });
      expect(response.status).toBe(200);
      const page = (await response.json()) as Page;
      pages.push(page);
      cursor = page.next === undefined ? '' : `&cursor=${encodeURIComponent(page.next)}`;
    } while (cursor !== '');
    return pages;
  };

  it('of orders are paged through, newest first, nothing twice', async () => {
    const key = await aTenantKey(server, 'lister');
    const ids = Array.from({ length: 7 }, (_, i) => `order-${String(i)}`);
    for (const id of ids) await anOrder(server, id, {}, key);
    const pages = await pagesOf('/v1/orders', 3, key);
    expect(pages.map(({ items }) => items.length)).toEqual([3, 3, 1]);
    const listed = pages.flatMap(({ items }) => items.map(({ orderId }) => orderId));
    expect(listed).toEqual([...ids].reverse());
    for (const page of pages) pageOf(orderSchema).parse(page);
    // One page that holds all has no next.
    expect((await pagesOf('/v1/orders', 7, key)).map(({ items }) => items.length)).toEqual([7]);
  });

  it('of batches are paged through', async () => {
    await anOrder(server, 'many');
    for (let i = 0; i < 5; i++) {
      const uploaded = await server.call('POST', '/v1/orders/many/batches', {
        headers: { ...ndjson, 'idempotency-key': `page-${String(i)}` },
        body: ndjsonOf(csrsOf(1, `page-${String(i)}`)),
      });
      expect(uploaded.status).toBe(202);
    }
    const pages = await pagesOf('/v1/orders/many/batches', 2, server.key);
    expect(pages.map(({ items }) => items.length)).toEqual([2, 2, 1]);
    const ids = pages.flatMap(({ items }) => items.map(({ batchId }) => batchId));
    expect(new Set(ids).size).toBe(5);
    for (const page of pages) pageOf(batchSchema).parse(page);
  });

  it.each([
    'made-up',
    '',
    '%00',
    Buffer.from('-1').toString('base64url'),
    Buffer.from('1 OR 1=1').toString('base64url'),
    'x'.repeat(1_001),
  ])('refuse a cursor that no page gave out: %j', async (cursor) => {
    for (const path of ['/v1/orders', '/v1/orders/o1/batches']) {
      const response = await server.call('GET', `${path}?cursor=${cursor}`);
      expect(await response.json()).toMatchObject({ status: 400, code: 'INVALID_INPUT' });
    }
  });
});

describe('a credential', () => {
  it('that was removed works no more, at once', async () => {
    const key = await aTenantKey(server, 'removed');
    expect((await server.call('GET', '/v1/orders', { key })).status).toBe(200);
    const path = '/v1/tenants/removed/credentials';
    const [only] = (await getJson<{ items: { keyHash: string }[] }>(path)).items;
    const remove = (): Promise<Response> => server.call('DELETE', `${path}/${only?.keyHash ?? ''}`);
    expect((await remove()).status).toBe(204);
    expect((await server.call('GET', '/v1/orders', { key })).status).toBe(401);
    expect((await remove()).status).toBe(404);
    expect(await getJson(path)).toEqual({ items: [] });
  });

  it('removes neither itself nor one of another tenant', async () => {
    const admin = await aTenantKey(server, 'own-admin', 'admin');
    const path = '/v1/tenants/own-admin/credentials';
    const [own] = (await getJson<{ items: { keyHash: string }[] }>(path)).items;
    const itself = await server.call('DELETE', `${path}/${own?.keyHash ?? ''}`, { key: admin });
    expect(await itself.json()).toMatchObject({ status: 409, code: 'CONFLICT' });
    const [other] = (
      await getJson<{ items: { keyHash: string }[] }>('/v1/tenants/default/credentials')
    ).items;
    const foreign = `/v1/tenants/default/credentials/${other?.keyHash ?? ''}`;
    expect((await server.call('DELETE', foreign, { key: admin })).status).toBe(404);
    expect((await server.call('GET', '/v1/orders')).status).toBe(200);
  });
});

import { auditBreakOf, type ChainedAuditEntry } from '@certmill/domain';
import { builtInProfileText } from '@certmill/domain/profile-files';
import { massOperationSchema } from '@certmill/platform';
import { X509Certificate } from 'node:crypto';
import { aCsr, aKey, csrsOf, ndjsonOf, type DeviceCsr } from '../testing/a-csr.js';
import { accountOf, resultsOf } from './mass-results.js';
import { anOrder, aServer, aTenantKey, ndjson, type TestServer } from './test-server.js';

type View = ReturnType<typeof massOperationSchema.parse>;

interface CertificateView {
  readonly certificate: string;
  readonly status: string;
  readonly batchId: string;
}

let server: TestServer;

beforeAll(async () => {
  const key = 'ec-p256';
  const issuers = { first: key, second: key, third: key, fourth: key } as const;
  server = await aServer({}, {}, { issuers });
});
const get = (path: string): Promise<Response> => server.call('GET', path);
afterAll(() => server[Symbol.asyncDispose]());

async function issued(
  orderId: string,
  csrs: readonly DeviceCsr[],
  upload = 'upload',
): Promise<string> {
  const answer = await server.call('POST', `/v1/orders/${orderId}/batches`, {
    headers: { ...ndjson, 'idempotency-key': `${orderId}-${upload}` },
    body: ndjsonOf(csrs),
  });
  const { batchId } = (await answer.json()) as { readonly batchId: string };
  await (await server.call('GET', `/v1/batches/${batchId}/certificates?follow=true`)).text();
  return batchId;
}

async function called(method: string, path: string, json?: unknown): Promise<View> {
  const answer = await server.call(method, path, json === undefined ? {} : { json });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return massOperationSchema.parse(JSON.parse(text));
}

const begun = (json: unknown): Promise<View> => called('POST', '/v1/operations', json);
const shown = (name: string): Promise<View> => called('GET', `/v1/operations/${name}`);

async function until(name: string, isSo: (view: View) => boolean): Promise<View> {
  for (;;) {
    const view = await shown(name);
    if (isSo(view)) return view;
    if (view.state === 'failed') throw new Error(JSON.stringify(view.failure));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const ended = (name: string): Promise<View> => until(name, ({ state }) => state === 'done');

async function entriesOf(name: string): Promise<readonly ChainedAuditEntry[]> {
  const answer = await server.call('GET', '/v1/audit?limit=1000');
  const { items } = (await answer.json()) as { readonly items: readonly ChainedAuditEntry[] };
  expect(auditBreakOf(items)).toBeUndefined();
  return items.filter(({ detail }) => detail['operation'] === name);
}

const actionsOf = async (name: string): Promise<readonly string[]> =>
  (await entriesOf(name)).map(({ action }) => action);

async function ofDevice(deviceId: string): Promise<readonly CertificateView[]> {
  const answer = await server.call('GET', `/v1/certificates?deviceId=${deviceId}`);
  return ((await answer.json()) as { readonly items: readonly CertificateView[] }).items;
}

const revokedUnder = (issuer: string): Promise<readonly unknown[]> =>
  server.server.issuance.store.listRevoked({ issuer, shard: 0 }, { limit: 10_000 });

const nextYear = new Date(Date.now() + 30 * 86_400_000).toISOString();

describe('a population whose issuer is given up', () => {
  const population = 1_000;
  const csrs = csrsOf(population, 'unit');

  beforeAll(async () => {
    await anOrder(server, 'spring', { issuer: 'first' });
    await issued('spring', csrs);
  });

  test('is only counted by a dry run', async () => {
    const json = { operationId: 'look', kind: 'revoke', selection: { issuer: 'first' } };
    const told = await begun({ ...json, dryRun: true });
    expect(told).toMatchObject({ state: 'dry-run', counts: { changed: population } });
    expect((await server.call('GET', '/v1/operations/look')).status).toBe(404);
    expect(await revokedUnder('first')).toEqual([]);
    expect(await actionsOf('look')).toEqual([]);
  });

  test('is issued once more under another one, with the same keys; those on hold stay away', async () => {
    const [held] = await ofDevice('unit-7');
    const serialNumber = new X509Certificate(held?.certificate ?? '').serialNumber.toLowerCase();
    await server.call('POST', `/v1/certificates/${serialNumber}/revocation`, {
      json: { reason: 'certificateHold' },
    });
    const json = {
      operationId: 'move',
      kind: 'reissue',
      selection: { issuer: 'first' },
      issuer: 'second',
      profile: 'tls-client',
      expiresAt: nextYear,
    };
    const told = await begun({ ...json, dryRun: true });
    expect(told.counts).toMatchObject({ submitted: population - 1, skipped: 1 });
    expect((await server.call('GET', '/v1/orders/move')).status).toBe(404);
    await begun(json);
    const { counts } = await ended('move');
    expect(counts).toMatchObject({
      requests: population,
      lookedAt: population,
      selected: population,
      submitted: population - 1,
      skipped: 1,
      issued: population - 1,
      rejected: 0,
    });
    expect(await begun(json)).toMatchObject({ state: 'done' });
    expect(await ofDevice('unit-7')).toHaveLength(1);
    const [newer, older] = await ofDevice('unit-8');
    const [one, other] = [newer, older].map((view) => new X509Certificate(view?.certificate ?? ''));
    expect(one?.publicKey.equals(other!.publicKey)).toBe(true);
    expect([one?.issuer, other?.issuer]).toEqual([
      expect.stringContaining('second'),
      expect.stringContaining('first'),
    ]);
    expect(await actionsOf('move')).toEqual(['mass-operation.begun', 'mass-operation.ended']);
    expect(await accountOf(get, 'move')).toEqual({ issued: population - 1, skipped: 1 });
    const skipped = await resultsOf(get, 'move', { query: '&outcome=skipped' });
    expect(skipped).toEqual([
      expect.objectContaining({
        deviceId: 'unit-7',
        serialNumber: expect.stringMatching(new RegExp(`^0*${serialNumber}$`)) as string,
        reason: 'CERTIFICATE_ON_HOLD',
      }),
    ]);
    const order = await (await server.call('GET', '/v1/orders/move')).json();
    expect(order).toMatchObject({ state: 'closed', renews: true, reserved: population - 1 });
  });

  test('is then revoked, in steps that can be paused; what came later is not', async () => {
    const json = {
      operationId: 'give-up',
      kind: 'revoke',
      selection: { issuer: 'first' },
      reason: 'superseded',
      ratePerSecond: 400,
    };
    await begun(json);
    await until('give-up', ({ counts }) => counts.changed > 0);
    await called('POST', '/v1/operations/give-up/pause');
    const before = await until('give-up', ({ state }) => state === 'paused');
    await anOrder(server, 'late', { issuer: 'first' });
    await issued('late', csrsOf(3, 'late'));
    expect(before.counts.lookedAt).toBeLessThan(population);
    expect(before.endedAt).toBeDefined();
    await called('POST', '/v1/operations/give-up/pause');
    await called('POST', '/v1/operations/give-up/resume');
    const { counts, ratePerSecond } = await ended('give-up');
    // One was on hold, and is revoked for good now.
    expect(counts).toMatchObject({ selected: population, changed: population, refused: 0 });
    expect(ratePerSecond).toBeLessThanOrEqual(400);
    expect(await accountOf(get, 'give-up')).toEqual({ changed: population });
    expect(await revokedUnder('first')).toHaveLength(population);
    expect(await revokedUnder('second')).toEqual([]);
    expect(await ofDevice('late-1')).toMatchObject([{ status: 'good' }]);
    expect(await ofDevice('unit-9')).toMatchObject([{ status: 'good' }, { status: 'revoked' }]);
    expect(await actionsOf('give-up')).toEqual([
      'mass-operation.begun',
      'mass-operation.paused',
      'mass-operation.resumed',
      'mass-operation.ended',
    ]);
    const last = (await entriesOf('give-up')).at(-1);
    expect(last?.detail).toMatchObject({ issuer: 'first', changed: population });
  });
});

describe('a population that renews with new keys', () => {
  const population = 300;
  const newCsr = (deviceId: string): DeviceCsr => ({ deviceId, csr: aCsr(deviceId, aKey()) });
  const json = {
    operationId: 'renewal',
    kind: 'renew',
    selection: { orderId: 'summer' },
    issuer: 'second',
    profile: 'tls-client',
  };

  interface Device {
    readonly deviceId: string;
    readonly state: string;
  }

  async function devicesOf(query = ''): Promise<readonly (readonly Device[])[]> {
    const pages: (readonly Device[])[] = [];
    let cursor = '';
    do {
      const path = `/v1/operations/renewal/devices?limit=200${query}${cursor}`;
      const page = (await (await server.call('GET', path)).json()) as {
        readonly items: readonly Device[];
        readonly next?: string;
      };
      pages.push(page.items);
      cursor = page.next === undefined ? '' : `&cursor=${page.next}`;
    } while (cursor !== '');
    return pages;
  }
  const inState = async (state: string): Promise<readonly string[]> =>
    (await devicesOf(`&state=${state}`)).flat().map(({ deviceId }) => deviceId);

  beforeAll(async () => {
    await anOrder(server, 'summer', { issuer: 'first', requiresAllowList: true });
    const csrs = csrsOf(population, 'meter');
    const csv = csrs.map(({ deviceId }) => `${deviceId},east\n`).join('');
    const headers = { 'content-type': 'text/csv' };
    const body = `deviceId,site\n${csv}`;
    await server.call('PUT', '/v1/orders/summer/devices', { headers, body });
    await issued('summer', csrs);
    const [gone] = await ofDevice('meter-0');
    const serialNumber = new X509Certificate(gone?.certificate ?? '').serialNumber.toLowerCase();
    const path = `/v1/certificates/${serialNumber}/revocation`;
    await server.call('POST', path, { json: { reason: 'keyCompromise' } });
  });

  test('gets an order for those that may, with what was known of them', async () => {
    const told = await begun({ ...json, dryRun: true });
    expect(told.counts).toMatchObject({ submitted: population - 1, skipped: 1 });
    await begun(json);
    await ended('renewal');
    const order = await (await server.call('GET', '/v1/orders/renewal')).json();
    expect(order).toMatchObject({ state: 'open', renews: true, requiresAllowList: true });
    const calendar: unknown = await (await get('/v1/calendar')).json();
    expect(calendar).toMatchObject({
      renewals: [{ orderId: 'renewal', devices: population - 1, issued: 0, daysLeft: 89 }],
    });
    const pages = await devicesOf();
    expect(pages.map(({ length }) => length)).toEqual([200, 100]);
    expect(await inState('outstanding')).toHaveLength(population - 1);
    expect(await inState('passed-over')).toEqual(['meter-0']);
  });

  test('renews under it, and nobody else does; who has not is told', async () => {
    const some = Array.from({ length: 10 }, (_, i) => `meter-${String(i + 1)}`);
    const batchId = await issued('renewal', ['meter-0', 'stranger', ...some].map(newCsr));
    const batch = await (await server.call('GET', `/v1/batches/${batchId}`)).json();
    expect(batch).toMatchObject({ counters: { issued: 10, rejected: 2 } });
    expect(await inState('renewed')).toEqual(some);
    expect(await inState('outstanding')).toHaveLength(population - 11);
    expect((await shown('renewal')).counts).toMatchObject({ submitted: 299, issued: 10 });
  });

  test('is revoked as far as it has renewed', async () => {
    const selection = { orderId: 'summer', site: 'east', renewedBy: 'renewal' };
    const revocation = { kind: 'revoke', selection, reason: 'superseded' };
    const told = await begun({ ...revocation, operationId: 'replaced', dryRun: true });
    expect(told.counts).toMatchObject({ selected: 10, changed: 10 });
    await begun({ ...revocation, operationId: 'replaced' });
    expect((await ended('replaced')).counts).toMatchObject({ selected: 10, changed: 10 });
    expect(await ofDevice('meter-1')).toMatchObject([{ status: 'good' }, { status: 'revoked' }]);
    expect(await ofDevice('meter-11')).toMatchObject([{ status: 'good' }]);
    expect(await inState('renewed')).toHaveLength(10);
    const statusOf = async (path: string) => (await server.call('GET', path)).status;
    expect(await statusOf('/v1/operations/replaced/devices')).toBe(409);
    expect(await statusOf('/v1/operations/nope/devices')).toBe(404);
    expect(await statusOf('/v1/operations/renewal/devices?cursor=0.0')).toBe(400);
    expect(await statusOf('/v1/operations/renewal/devices?state=gone')).toBe(400);
  });

  test('has time until its order is closed or ends', async () => {
    expect((await server.call('POST', '/v1/operations/renewal/cancel')).status).toBe(409);
    await server.call('POST', '/v1/orders/renewal/close');
    const late = await server.call('POST', '/v1/orders/renewal/batches', {
      headers: { ...ndjson, 'idempotency-key': 'late' },
      body: ndjsonOf([newCsr('meter-20')]),
    });
    expect(late.status).toBe(409);
  });
});

describe('a site', () => {
  test('is what the allow-list says of devices', async () => {
    await anOrder(server, 'listed', { requiresAllowList: true, issuer: 'second' });
    const rows = csrsOf(40, 'line').map((csr, i) => ({ ...csr, site: i < 15 ? 'north' : 'south' }));
    const csv = rows.map(({ deviceId, site }) => `${deviceId},${site}\n`).join('');
    await server.call('PUT', '/v1/orders/listed/devices', {
      headers: { 'content-type': 'text/csv' },
      body: `deviceId,site\n${csv}`,
    });
    await issued('listed', rows);
    const selection = { site: 'north', profile: 'tls-client' };
    await begun({ operationId: 'north', kind: 'revoke', selection });
    const { counts } = await ended('north');
    expect(counts).toMatchObject({ selected: 15, changed: 15 });
    expect(await ofDevice('line-14')).toMatchObject([{ status: 'revoked' }]);
    expect(await ofDevice('line-15')).toMatchObject([{ status: 'good' }]);
  });

  test('is that of the list in force when a chunk is looked at; the requests alone are frozen', async () => {
    const population = 300;
    await anOrder(server, 'moving', { requiresAllowList: true, issuer: 'second' });
    const csrs = csrsOf(population, 'van');
    const list = async (site: string): Promise<void> => {
      const rows = csrs.map(({ deviceId }) => `${deviceId},${site}\n`).join('');
      const headers = { 'content-type': 'text/csv' };
      const body = `deviceId,site\n${rows}`;
      await server.call('PUT', '/v1/orders/moving/devices', { headers, body });
    };
    await list('west');
    await issued('moving', csrs);
    const selection = { orderId: 'moving', site: 'west' };
    await begun({ operationId: 'west', kind: 'revoke', selection, ratePerSecond: 100 });
    const { counts: first } = await until('west', ({ counts }) => counts.changed > 0);
    await list('east');
    const { counts } = await ended('west');
    expect(first.changed).toBeLessThan(population);
    expect(counts).toMatchObject({ lookedAt: population, selected: first.changed });
    expect(await accountOf(get, 'west')).toEqual({ changed: first.changed });
    const [last] = await ofDevice(`van-${String(population - 1)}`);
    expect(last).toMatchObject({ status: 'good' });
  });
});

describe('a selection', () => {
  test.each([
    [{ orderId: 'listed' }, 40],
    [{ site: 'south' }, 25],
    [{ orderId: 'listed', profile: 'tls-client' }, 40],
    [{ orderId: 'listed', profile: 'idevid' }, undefined],
    [{ orderId: 'listed', issuer: 'second' }, 40],
    [{ site: 'south', issuer: 'first' }, 0],
  ] as const)('is the same for every work: %j', async (selection, selected) => {
    const to = { issuer: 'second', profile: 'tls-client' };
    for (const work of [{ kind: 'revoke' }, { kind: 'reissue', ...to }, { kind: 'renew', ...to }]) {
      const json = { operationId: 'looked', selection, dryRun: true, ...work };
      const answer = await server.call('POST', '/v1/operations', { json });
      if (selected === undefined) expect(answer.status).toBe(400);
      else expect(await answer.json()).toMatchObject({ counts: { selected } });
    }
  });
});

describe('who is not on the allow-list any more', () => {
  const names = Array.from({ length: 6 }, (_, i) => `lamp-${String(i)}`);
  const to = { issuer: 'second', profile: 'tls-client' };
  const list = async (order: string, rows: readonly string[]): Promise<void> => {
    const headers = { 'content-type': 'text/csv' };
    const body = ['deviceId,udid', ...rows, ''].join('\n');
    await server.call('PUT', `/v1/orders/${order}/devices`, { headers, body });
  };
  const reissued = async (operationId: string, orderId: string) => {
    await begun({ operationId, kind: 'reissue', selection: { orderId }, ...to });
    return (await ended(operationId)).counts;
  };
  const refusedIn = async (name: string): Promise<readonly unknown[]> => {
    const refused = await resultsOf(get, name, { query: '&outcome=refused', limit: 1 });
    return refused.map(({ deviceId, reason }) => [deviceId, reason]);
  };

  beforeAll(async () => {
    await anOrder(server, 'lamps', { issuer: 'first', requiresAllowList: true });
    await list(
      'lamps',
      names.map((name) => `${name},`),
    );
    await issued('lamps', csrsOf(6, 'lamp'));
    // One is struck off, and one has another key by now.
    await list('lamps', [
      ...names.slice(1, 5).map((name) => `${name},`),
      `lamp-5,${'ab'.repeat(32)}`,
    ]);
  });

  test('gets no other certificate for the same key', async () => {
    const json = { kind: 'reissue', selection: { orderId: 'lamps' }, ...to };
    const told = await begun({ ...json, operationId: 'lamps-look', dryRun: true });
    expect(told.counts).toMatchObject({ selected: 6, submitted: 4, refused: 2, skipped: 0 });
    expect(await reissued('lamps-2', 'lamps')).toMatchObject({
      submitted: 4,
      issued: 4,
      refused: 2,
    });
    expect(await accountOf(get, 'lamps-2')).toEqual({ issued: 4, refused: 2 });
    expect(await refusedIn('lamps-2')).toEqual([
      ['lamp-0', 'DEVICE_NOT_AUTHORIZED'],
      ['lamp-5', 'DEVICE_NOT_AUTHORIZED'],
    ]);
    expect(await ofDevice('lamp-0')).toHaveLength(1);
    expect(await ofDevice('lamp-1')).toHaveLength(2);
  });

  test('gets none either where what it holds was reissued, once or twice', async () => {
    await list('lamps', ['lamp-2,', 'lamp-3,', 'lamp-4,']);
    expect(await reissued('lamps-3', 'lamps-2')).toMatchObject({ selected: 4, issued: 3 });
    expect(await refusedIn('lamps-3')).toEqual([['lamp-1', 'DEVICE_NOT_AUTHORIZED']]);
    await list('lamps', ['lamp-3,', 'lamp-4,']);
    expect(await reissued('lamps-4', 'lamps-3')).toMatchObject({ selected: 3, issued: 2 });
    expect(await refusedIn('lamps-4')).toEqual([['lamp-2', 'DEVICE_NOT_AUTHORIZED']]);
  });

  test('may not renew; who has another key may', async () => {
    await list('lamps', ['lamp-3,', `lamp-5,${'ab'.repeat(32)}`]);
    await begun({
      operationId: 'lamps-new',
      kind: 'renew',
      selection: { orderId: 'lamps' },
      ...to,
    });
    expect((await ended('lamps-new')).counts).toMatchObject({
      selected: 6,
      submitted: 1,
      refused: 1,
      skipped: 4,
    });
    expect(await accountOf(get, 'lamps-new')).toEqual({ submitted: 1, refused: 1, skipped: 4 });
    expect(await refusedIn('lamps-new')).toEqual([['lamp-0', 'DEVICE_NOT_AUTHORIZED']]);
    expect(await (await server.call('GET', '/v1/orders/lamps-new')).json()).toMatchObject({
      devices: 1,
    });
  });
});

describe('a population part of which has renewed, and part was reissued before', () => {
  const population = 9;
  const keys = Array.from({ length: population }, () => aKey());
  const newKeys = Array.from({ length: 3 }, () => aKey());
  const csrOf = (key: ReturnType<typeof aKey>, i: number): DeviceCsr => {
    const deviceId = `part-${String(i)}`;
    return { deviceId, csr: aCsr(deviceId, key) };
  };
  const csrs = keys.map(csrOf);
  const to = { issuer: 'fourth', profile: 'tls-client' };
  const ofThird = { kind: 'reissue', selection: { issuer: 'third' }, ...to };
  const reasonsIn = async (name: string): Promise<Readonly<Record<string, number>>> => {
    const skipped = await resultsOf(get, name, { query: '&outcome=skipped' });
    const reasons = Map.groupBy(skipped, ({ reason }) => reason ?? '');
    return Object.fromEntries([...reasons].map(([reason, those]) => [reason, those.length]));
  };

  beforeAll(async () => {
    await anOrder(server, 'parts', { issuer: 'third' });
    await issued('parts', csrs.slice(0, 6));
    const batchId = await issued('parts', csrs.slice(6), 'other');
    await anOrder(server, 'parts-new', { issuer: 'third', renews: true });
    await issued('parts-new', newKeys.map(csrOf));
    const selection = { batchId };
    await begun({ ...ofThird, operationId: 'parts-again', selection, issuer: 'third' });
    await ended('parts-again');
    // Of this one the first key is in use again.
    const [renewed] = await ofDevice('part-0');
    const serialNumber = new X509Certificate(renewed?.certificate ?? '').serialNumber.toLowerCase();
    const path = `/v1/certificates/${serialNumber}/revocation`;
    await server.call('POST', path, { json: { reason: 'superseded' } });
  });

  test('gets one certificate for each key that is in use, and none for those that were replaced', async () => {
    const counts = { selected: 15, submitted: population, skipped: 6, refused: 0 };
    for (const kind of ['reissue', 'renew']) {
      const told = await begun({ ...ofThird, kind, operationId: 'parts-look', dryRun: true });
      expect(told.counts).toMatchObject(counts);
    }
    await begun({ ...ofThird, operationId: 'parts-move' });
    const moved = await ended('parts-move');
    expect(moved.counts).toMatchObject({ ...counts, issued: population, rejected: 0 });
    expect(await accountOf(get, 'parts-move')).toEqual({ issued: population, skipped: 6 });
    expect(await reasonsIn('parts-move')).toEqual({
      CERTIFICATE_REPLACED: 5,
      CERTIFICATE_REVOKED: 1,
    });
    for (const [i, { publicKey: first }] of keys.entries()) {
      const all = await ofDevice(`part-${String(i)}`);
      const [newest, ...others] = all
        .map(({ certificate }) => new X509Certificate(certificate))
        .filter(({ issuer }) => issuer.includes('fourth'));
      expect(others).toEqual([]);
      const inUse = i === 1 || i === 2 ? newKeys[i]?.publicKey : first;
      expect(newest?.publicKey.equals(inUse ?? first)).toBe(true);
    }
  });

  test('gets no other one by the same again, nor another of a profile that it holds one of', async () => {
    await begun({ ...ofThird, operationId: 'parts-twice' });
    expect((await ended('parts-twice')).counts).toMatchObject({ submitted: 0, skipped: 15 });
    const yaml = builtInProfileText('tls-client').replace(/^name: .*$/m, 'name: copied');
    const headers = { 'content-type': 'application/yaml' };
    await server.call('POST', '/v1/profiles', { headers, body: yaml });
    const copied = { ...ofThird, selection: { issuer: 'fourth' }, profile: 'copied' };
    await begun({ ...copied, operationId: 'parts-copied' });
    expect((await ended('parts-copied')).counts).toMatchObject({ issued: population });
    await begun({ ...copied, operationId: 'parts-recopied', selection: { orderId: 'parts-move' } });
    expect((await ended('parts-recopied')).counts).toMatchObject({ submitted: 0 });
    expect(await reasonsIn('parts-recopied')).toEqual({ DEVICE_ALREADY_ISSUED: population });
  });

  test('is revoked as a whole, what was replaced with the rest', async () => {
    const selection = { issuer: 'third' };
    await begun({ operationId: 'parts-end', kind: 'revoke', selection, reason: 'superseded' });
    expect((await ended('parts-end')).counts).toMatchObject({ changed: 14, unchanged: 1 });
    expect(await revokedUnder('third')).toHaveLength(15);
  });
});

describe('a batch', () => {
  test('is revoked, and issued once more, by itself', async () => {
    const csrs = csrsOf(8, 'halves');
    await anOrder(server, 'halves', { issuer: 'first' });
    const batchId = await issued('halves', csrs.slice(0, 5));
    await issued('halves', csrs.slice(5), 'other');
    const selection = { batchId };
    const json = { selection, operationId: 'half', kind: 'revoke' };
    const to = { kind: 'reissue', issuer: 'second', profile: 'tls-client' };
    await begun({ ...json, ...to, operationId: 'half-again' });
    expect((await ended('half-again')).counts).toMatchObject({ requests: 5, issued: 5 });
    for (const others of [{ orderId: 'spring' }, { issuer: 'second' }, { profile: 'idevid' }]) {
      const asked = { ...json, selection: { batchId, ...others } };
      expect((await server.call('POST', '/v1/operations', { json: asked })).status).toBe(400);
    }
    await begun({ ...json, selection: { batchId, orderId: 'halves', issuer: 'first' } });
    expect(await ended('half')).toMatchObject({
      selection: { batchId },
      counts: { requests: 5, selected: 5, changed: 5 },
    });
    await begun({ operationId: 'half-other', kind: 'revoke', selection, reason: 'superseded' });
    expect((await ended('half-other')).counts).toMatchObject({ refused: 5, changed: 0 });
    expect(await accountOf(get, 'half-other')).toEqual({ refused: 5 });
    const pages = await resultsOf(get, 'half-other', { query: '&outcome=refused', limit: 2 });
    expect(pages.map(({ index, reason }) => [index, reason])).toEqual(
      [0, 1, 2, 3, 4].map((index) => [index, 'CERTIFICATE_REVOKED']),
    );
    const statusOf = async (path: string) => (await server.call('GET', path)).status;
    expect(await statusOf('/v1/operations/nope/results')).toBe(404);
    expect(await statusOf('/v1/operations/half/results?cursor=0.0')).toBe(400);
    expect(await statusOf('/v1/operations/half/results?outcome=gone')).toBe(400);
    expect(await ofDevice('halves-4')).toMatchObject([{ status: 'good' }, { status: 'revoked' }]);
    expect(await ofDevice('halves-5')).toMatchObject([{ status: 'good' }]);
  });
});

describe('an operation', () => {
  test('keeps no place while it waits for its rate, begun again or not', async () => {
    await anOrder(server, 'slow', { issuer: 'second' });
    await issued('slow', csrsOf(520, 'slow'));
    const names = Array.from({ length: 6 }, (_, i) => `slow-${String(i)}`);
    const slow = (operationId: string) => ({
      operationId,
      kind: 'revoke',
      selection: { orderId: 'slow' },
      ratePerSecond: 0.01,
    });
    for (const name of [...names, ...names]) await begun(slow(name));
    for (const name of names) await until(name, ({ counts }) => counts.lookedAt > 0);
    await begun({ ...slow('urgent'), ratePerSecond: 100_000 });
    expect((await ended('urgent')).counts).toMatchObject({ lookedAt: 520, refused: 0 });
    for (const name of [...names, ...names]) {
      await begun(slow(name));
      await called('POST', `/v1/operations/${name}/resume`);
      expect((await shown(name)).counts.lookedAt).toBeLessThan(520);
    }
    for (const name of names) await called('POST', `/v1/operations/${name}/cancel`);
  });

  test('is alone in the order of its reissue: no factory takes a device over there', async () => {
    await anOrder(server, 'owners', { issuer: 'first' });
    await issued('owners', csrsOf(300, 'owned'));
    await begun({
      ...{ operationId: 'hand-over', kind: 'reissue', selection: { orderId: 'owners' } },
      ...{ issuer: 'second', profile: 'tls-client', expiresAt: nextYear, ratePerSecond: 0.01 },
    });
    await until('hand-over', ({ counts }) => counts.submitted > 0);
    const made = await server.call('POST', '/v1/tenants/default/credentials', {
      json: { role: 'factory' },
    });
    const { key } = (await made.json()) as { readonly key: string };
    const enrolled = (deviceId: string): Promise<Response> =>
      server.call('POST', `/v1/orders/hand-over/certificates?deviceId=${deviceId}`, {
        key,
        headers: { 'content-type': 'application/pkcs10' },
        body: new Uint8Array(aCsr(deviceId)),
      });
    const uploaded = await server.call('POST', '/v1/orders/hand-over/batches', {
      key,
      headers: { ...ndjson, 'idempotency-key': 'mine' },
      body: ndjsonOf(csrsOf(2, 'owned')),
    });
    for (const answer of [uploaded, await enrolled('owned-299'), await enrolled('nobodys')]) {
      expect([answer.status, await answer.json()]).toMatchObject([403, { code: 'FORBIDDEN' }]);
    }
    expect(await ofDevice('owned-299')).toHaveLength(1);
    expect(await ofDevice('nobodys')).toEqual([]);
    await called('POST', '/v1/operations/hand-over/cancel');
  });

  test('that is cancelled stays where it is', async () => {
    await anOrder(server, 'autumn', { issuer: 'second' });
    await issued('autumn', csrsOf(600, 'leaf'));
    const selection = { orderId: 'autumn' };
    await begun({ operationId: 'stop-it', kind: 'revoke', selection, ratePerSecond: 50 });
    await until('stop-it', ({ counts }) => counts.changed > 0);
    expect(await called('POST', '/v1/operations/stop-it/cancel')).toMatchObject({
      state: 'cancelled',
    });
    expect((await server.call('POST', '/v1/operations/stop-it/resume')).status).toBe(409);
    expect((await shown('stop-it')).counts.changed).toBeLessThan(600);
  });

  test.each([
    ['nothing in particular', { selection: {} }, 400],
    ['an order that is not there', { selection: { orderId: 'nope' } }, 404],
    [
      'devices of an order that is not there',
      { selection: { orderId: 'spring', renewedBy: 'x' } },
      404,
    ],
    ['an order alone that devices hold', { selection: { renewedBy: 'spring' } }, 400],
    ['what has no certificates', { selection: { issuer: 'nobody' } }, 400],
    ['a name that is none', { operationId: 'No Name' }, 400],
    ['a batch that is not there', { selection: { batchId: 'b' } }, 404],
    ['another member', { selection: { serialNumber: 'b' } }, 400],
    ['a rate of nothing', { ratePerSecond: 0 }, 400],
    ['a rate of years', { ratePerSecond: 0.001 }, 400],
    ['a date to come', { invalidityDate: '2999-01-01T00:00:00Z' }, 400],
    ['another work under a name that is taken', { operationId: 'give-up' }, 409],
    ['the name of an order', { operationId: 'spring', kind: 'reissue' }, 409],
    ['an issuer that is not there', { kind: 'reissue', issuer: 'nobody' }, 400],
    ['a profile that is not there', { kind: 'reissue', profile: 'nothing' }, 400],
  ])('is refused for %s', async (_, changes: Record<string, unknown>, status) => {
    const reissue = { issuer: 'second', profile: 'tls-client', expiresAt: nextYear };
    const json = {
      operationId: 'refused',
      kind: 'revoke',
      selection: { orderId: 'spring' },
      ...(changes['kind'] === 'reissue' ? reissue : {}),
      ...changes,
    };
    expect((await server.call('POST', '/v1/operations', { json })).status).toBe(status);
    expect((await server.call('GET', '/v1/operations/refused')).status).toBe(404);
  });

  test('is its tenant alone, for operators to change and auditors to read', async () => {
    const foreign = await aTenantKey(server, 'globex', 'operator');
    const statusOf = async (method: string, path: string, key: string): Promise<number> =>
      (await server.call(method, path, { key })).status;
    expect(await statusOf('GET', '/v1/operations/give-up', foreign)).toBe(404);
    expect(await statusOf('POST', '/v1/operations/give-up/cancel', foreign)).toBe(404);
    const auditor = await aTenantKey(server, 'initech', 'auditor');
    expect(await statusOf('GET', '/v1/operations', auditor)).toBe(200);
    expect(await statusOf('POST', '/v1/operations/give-up/cancel', auditor)).toBe(403);
    const factory = await aTenantKey(server, 'hooli', 'factory');
    expect(await statusOf('GET', '/v1/operations', factory)).toBe(403);
    const answer = await server.call('GET', '/v1/operations?limit=2');
    const page = (await answer.json()) as { readonly items: readonly View[]; next?: string };
    expect(page.items.map(({ operationId }) => operationId)).toEqual(['stop-it', 'hand-over']);
    expect(page.next).toBeDefined();
  });
});

import { X509Certificate } from 'node:crypto';
import { renewAuthority } from '@certmill/trust';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { aCsr, aKey, csrsOf, ndjsonOf, type DeviceCsr } from '../testing/a-csr.js';
import {
  aDataFolder,
  anOrder,
  aServerIn,
  ndjson,
  passphrase,
  type TestServer,
} from './test-server.js';

const dayMs = 86_400_000;
const population = 300;
const setup = { issuers: { first: 'ec-p256', second: 'ec-p256' } } as const;
const newCsr = (deviceId: string): DeviceCsr => ({ deviceId, csr: aCsr(deviceId, aKey()) });

let folder: Awaited<ReturnType<typeof aDataFolder>>;
let server: TestServer;
let key = '';
let nowMs = Date.now();

beforeAll(async () => {
  folder = await aDataFolder();
  server = await started();
  ({ key } = server);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const started = () => aServerIn(folder.path, setup, {}, { clock: { nowMs: () => nowMs } });
const call: TestServer['call'] = (method, path, options) =>
  server.call(method, path, { key, ...options });

async function issued(orderId: string, csrs: readonly DeviceCsr[]): Promise<void> {
  const answer = await call('POST', `/v1/orders/${orderId}/batches`, {
    headers: { ...ndjson, 'idempotency-key': `${orderId}-upload` },
    body: ndjsonOf(csrs),
  });
  const { batchId } = (await answer.json()) as { readonly batchId: string };
  await (await call('GET', `/v1/batches/${batchId}/certificates?follow=true`)).text();
  const view = await (await call('GET', `/v1/batches/${batchId}`)).json();
  expect(view).toMatchObject({ counters: { issued: csrs.length } });
}

/** The newest certificate of the device. */
async function changed(deviceId: string, reason: string): Promise<void> {
  const found = await (await call('GET', `/v1/certificates?deviceId=${deviceId}`)).json();
  const [newest] = (found as { readonly items: readonly { readonly certificate: string }[] }).items;
  const serialNumber = new X509Certificate(newest?.certificate ?? '').serialNumber.toLowerCase();
  const path = `/v1/certificates/${serialNumber}/revocation`;
  expect((await call('POST', path, { json: { reason } })).status).toBe(200);
}

interface Calendar {
  readonly toRenew: {
    readonly isWhole: boolean;
    readonly certificates: readonly { readonly certificates: number }[];
  };
}

/** Of one profile and issuer, in one month. */
async function counted(days: number): Promise<number | undefined> {
  const answer = await call('GET', `/v1/calendar?toRenewDays=${String(days)}`);
  const { toRenew } = (await answer.json()) as Calendar;
  expect(toRenew.isWhole).toBe(true);
  expect(toRenew.certificates.length).toBeLessThan(2);
  return toRenew.certificates[0]?.certificates;
}

describe('a population whose certificates are about to end', () => {
  beforeAll(async () => {
    await anOrder(server, 'spring', { issuer: 'first' });
    await issued('spring', csrsOf(population, 'meter'));
    nowMs += 2 * 365 * dayMs - 20 * dayMs;
    await server[Symbol.asyncDispose]();
    server = await started();
  });

  const gauge = async (): Promise<readonly string[]> => {
    const text = await (await server.call('GET', '/metrics', { key: null })).text();
    return text.split('\n').filter((line) => line.startsWith('certmill_devices_ending{'));
  };
  const typed = () =>
    runCertmill(['calendar', '--days', '30', '--fail-within', '30', '--server', server.url], {
      env: { CERTMILL_API_KEY: key },
    });

  test('is counted by the hour, from when the server starts', async () => {
    while ((await gauge()).length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await gauge()).toEqual([
      'certmill_devices_ending{issuer="first",days="7"} 0',
      `certmill_devices_ending{issuer="first",days="30"} ${String(population)}`,
    ]);
  });

  test('counts as long as it is good or on hold, and nothing has taken its place', async () => {
    expect(await counted(30)).toBe(population);
    expect(await counted(19)).toBeUndefined();
    await changed('meter-0', 'keyCompromise');
    await changed('meter-1', 'certificateHold');
    expect(await counted(30)).toBe(population - 1);
  });

  test('renews, and what has renewed counts no more, but for those whose next one is revoked', async () => {
    const expiresAt = new Date(nowMs + dayMs).toISOString();
    const json = { orderId: 'autumn', profile: 'tls-client', quota: 1_000, expiresAt };
    const order = { ...json, issuer: 'second', renews: true, requiresAllowList: false };
    expect((await call('POST', '/v1/orders', { json: order })).status).toBe(201);
    const some = Array.from({ length: 10 }, (_, i) => `meter-${String(i + 2)}`);
    await issued('autumn', some.map(newCsr));
    expect(await counted(30)).toBe(population - 11);
    await changed('meter-2', 'superseded');
    expect(await counted(30)).toBe(population - 10);
    const shown = await typed();
    expect(shown.exitCode).toBe(2);
    expect(shown.stdout).toMatch(/^[-\d]+ +(?:19|20) +tls-client +first +290$/m);
  });

  test('keeps a job from failing no more once all have renewed or are revoked', async () => {
    const selection = { orderId: 'spring' };
    const json = { operationId: 'over', kind: 'revoke', selection, reason: 'superseded' };
    await call('POST', '/v1/operations', { json });
    for (;;) {
      const view = await (await call('GET', '/v1/operations/over')).json();
      if ((view as { readonly state: string }).state === 'done') break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await counted(30)).toBeUndefined();
    const shown = await typed();
    expect([shown.exitCode, shown.stderr]).toEqual([0, '']);
    expect(shown.stdout).toMatch(/^[-\d]+ +tls-client +first +300$/m);
    expect(shown.stdout).not.toContain('to renew until');
  });

  test('counts what its issuer has cut short, although that was renewed since', async () => {
    const renewed = async (days: number): Promise<void> => {
      await server[Symbol.asyncDispose]();
      const parent = { directory: folder.path, name: 'root', passphrase };
      const lifetimeSeconds = (days * dayMs) / 1_000;
      const issuer = { directory: folder.path, name: 'second', parent, lifetimeSeconds, nowMs };
      await renewAuthority(issuer);
      server = await started();
    };
    await renewed(25);
    const expiresAt = new Date(nowMs + dayMs).toISOString();
    const json = { orderId: 'winter', profile: 'tls-client', quota: 10, expiresAt };
    const order = { ...json, issuer: 'second', requiresAllowList: false };
    expect((await call('POST', '/v1/orders', { json: order })).status).toBe(201);
    await issued('winter', csrsOf(3, 'sled'));
    await renewed(3_650);
    expect(await counted(30)).toBe(3);
  });

  test('leaves out what lives for days, which its devices renew all the time', async () => {
    const expiresAt = new Date(nowMs + dayMs).toISOString();
    const json = { orderId: 'shift', profile: 'short-lived', quota: 10, expiresAt };
    const order = { ...json, issuer: 'first', requiresAllowList: false };
    expect((await call('POST', '/v1/orders', { json: order })).status).toBe(201);
    await issued('shift', csrsOf(3, 'van'));
    expect(await counted(30)).toBe(3);
  });
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { massOperationSchema } from '@certmill/platform';
import { openStoreForReading, verifyFolder } from '@certmill/standalone/folder';
import { openssl } from '../cli/testing/openssl.js';
import { aCsr, aKey, csrsOf, ndjsonOf, type DeviceCsr } from '../testing/a-csr.js';
import { aDataFolder, anOrder, aServerIn, ndjson, type TestServer } from './test-server.js';

type Folder = Awaited<ReturnType<typeof aDataFolder>>;

const setup = { issuers: { first: 'ec-p256', second: 'ec-p256' } } as const;
const shift = { profile: 'short-lived', issuer: 'first' };
let folder: Folder;
let server: TestServer;
let nowMs = Date.now();

beforeAll(async () => {
  folder = await aDataFolder();
  server = await started();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** Its first credential is made once. */
async function started(key?: string): Promise<TestServer> {
  const opened = await aServerIn(folder.path, setup, {}, { clock: { nowMs: () => nowMs } });
  const call: TestServer['call'] = (method, path, options) =>
    opened.call(method, path, key === undefined ? options : { key, ...options });
  return { ...opened, call, key: key ?? opened.key };
}

const deviceKey = aKey();

function enroll(orderId: string): Promise<Response> {
  return server.call('POST', `/v1/orders/${orderId}/certificates?deviceId=shift-1`, {
    headers: { 'content-type': 'application/pkcs10' },
    body: new Uint8Array(aCsr('shift-1', deviceKey)),
  });
}

async function certificateOf(answer: Response, name: string): Promise<string> {
  expect(answer.status).toBe(201);
  const file = join(folder.path, `${name}.pem`);
  writeFileSync(file, await answer.text());
  return file;
}

/** As openssl tells it. */
function endOf(file: string): { readonly ms: number; readonly text: string } {
  const told = openssl('x509', '-in', file, '-noout', '-enddate', '-dateopt', 'iso_8601');
  const text = told.trim().replace('notAfter=', '').replace(' ', 'T');
  return { ms: Date.parse(text), text };
}

/** Whether openssl takes the certificate for one that is valid at a time. */
function isValidAt(file: string, ms: number): boolean {
  const ca = `${folder.path}/ca`;
  const at = ['-attime', String(Math.floor(ms / 1_000)), '-CAfile', `${ca}/root/certificate.pem`];
  try {
    openssl('verify', '-x509_strict', ...at, '-untrusted', `${ca}/first/chain.pem`, file);
    return true;
  } catch (error) {
    expect((error as { readonly stderr: string }).stderr).toContain('certificate has expired');
    return false;
  }
}

/** Counters of a batch that has ended. */
async function issued(orderId: string, csrs: readonly DeviceCsr[]) {
  const answer = await server.call('POST', `/v1/orders/${orderId}/batches`, {
    headers: { ...ndjson, 'idempotency-key': `${orderId}-upload` },
    body: ndjsonOf(csrs),
  });
  const { batchId } = (await answer.json()) as { readonly batchId: string };
  await (await server.call('GET', `/v1/batches/${batchId}/certificates?follow=true`)).text();
  const view = await (await server.call('GET', `/v1/batches/${batchId}`)).json();
  return (view as { readonly counters: Readonly<Record<string, number>> }).counters;
}

describe('devices with short-lived certificates, under orders that do not renew', () => {
  const fleet = csrsOf(300, 'van');
  let endMs = 0;

  test('are issued the next ones when theirs have ended, and not a second before', async () => {
    for (const orderId of ['morning', 'evening']) await anOrder(server, orderId, shift);
    const first = await certificateOf(await enroll('morning'), 'first');
    expect(await issued('morning', fleet)).toMatchObject({ issued: 300 });
    const { ms, text } = endOf(first);
    endMs = ms;
    nowMs = endMs + 999;
    const early = await enroll('evening');
    expect(early.status).toBe(409);
    expect(await early.json()).toMatchObject({
      code: 'DEVICE_ALREADY_ISSUED',
      detail: `device shift-1 has a certificate until ${text}`,
    });
    // The upload's certificates may end some seconds later.
    nowMs = endMs + 60_000;
    const second = await certificateOf(await enroll('evening'), 'second');
    expect([isValidAt(first, endMs - 1_000), isValidAt(first, nowMs)]).toEqual([true, false]);
    expect(isValidAt(second, nowMs)).toBe(true);
    expect(await issued('evening', fleet)).toMatchObject({ issued: 300, rejected: 0 });
  });

  test('hold the new ones over a restart too, and one mass reissue finds nothing of the old ones', async () => {
    await server[Symbol.asyncDispose]();
    server = await started(server.key);
    expect((await enroll('morning')).status).toBe(409);
    await anOrder(server, 'again', shift);
    expect(await issued('again', fleet)).toMatchObject({ issued: 0, rejected: 300 });
    const reissue = {
      operationId: 'late',
      kind: 'reissue',
      selection: { orderId: 'morning' },
      issuer: 'second',
      profile: 'short-lived',
      expiresAt: new Date(nowMs + 86_400_000).toISOString(),
      dryRun: true,
    };
    const answer = await server.call('POST', '/v1/operations', { json: reissue });
    const { counts } = massOperationSchema.parse(await answer.json());
    expect(counts).toMatchObject({ selected: 301, submitted: 0, skipped: 301 });
  });

  test('leave a sound store', async () => {
    await server[Symbol.asyncDispose]();
    await using opened = await openStoreForReading(folder.path);
    expect(await verifyFolder(opened, () => undefined)).toMatchObject({
      findings: [],
      inFlight: 0,
      certificates: 602,
    });
  });
});

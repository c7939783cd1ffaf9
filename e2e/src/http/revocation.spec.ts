import { execFileSync } from 'node:child_process';
import { auditBreakOf, type ChainedAuditEntry } from '@certmill/domain';
import { auditEntrySchema, certificateSchema, changesSchema } from '@certmill/platform';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { anOrder, aServer, aTenantKey, ndjson, type TestServer } from './test-server.js';

interface View {
  readonly serialNumber: string;
  readonly deviceId: string;
  readonly status: string;
  readonly certificate: string;
  readonly revocation?: { readonly reason: string; readonly invalidityDate?: string };
}

let server: TestServer;
let batchId = '';
const firstCsrs = csrsOf(6, 'first');

beforeAll(async () => {
  server = await aServer({ limits: { maxRevocationsPerCall: 320 } });
  await anOrder(server, 'o1');
  batchId = await issued('first', firstCsrs);
});
afterAll(() => server[Symbol.asyncDispose]());

async function issued(
  key: string,
  csrs: ReturnType<typeof csrsOf>,
  orderId = 'o1',
): Promise<string> {
  const answer = await server.call('POST', `/v1/orders/${orderId}/batches`, {
    headers: { ...ndjson, 'idempotency-key': key },
    body: ndjsonOf(csrs),
  });
  const batch = (await answer.json()) as { readonly batchId: string };
  const path = `/v1/batches/${batch.batchId}/certificates?follow=true`;
  await (await server.call('GET', path)).text();
  return batch.batchId;
}

async function ofDevice(deviceId: string): Promise<View> {
  const answer = await server.call('GET', `/v1/certificates?deviceId=${deviceId}`);
  const { items } = (await answer.json()) as { readonly items: readonly View[] };
  const [first] = items;
  expect(first).toBeDefined();
  certificateSchema.parse(first);
  return first as View;
}

async function trail(): Promise<readonly ChainedAuditEntry[]> {
  const answer = await server.call('GET', '/v1/audit?limit=1000');
  const { items } = (await answer.json()) as { readonly items: readonly ChainedAuditEntry[] };
  for (const entry of items) auditEntrySchema.parse(entry);
  return items;
}

const revocationOf = (serialNumber: string): string =>
  `/v1/certificates/${serialNumber}/revocation`;

describe('a certificate', () => {
  test('is held, released and revoked, and says so; openssl reads the same serial number', async () => {
    const { serialNumber, certificate } = await ofDevice('first-0');
    const told = execFileSync('openssl', ['x509', '-noout', '-serial'], { input: certificate });
    expect(told.toString().trim().toLowerCase()).toBe(`serial=${serialNumber}`);
    const path = revocationOf(serialNumber);
    const hold = await server.call('POST', path, { json: { reason: 'certificateHold' } });
    expect(await hold.json()).toMatchObject({ outcome: 'changed', serialNumber });
    expect(await ofDevice('first-0')).toMatchObject({ status: 'held' });
    expect((await server.call('DELETE', path)).status).toBe(200);
    const again = await server.call('DELETE', path);
    expect(await again.json()).toMatchObject({ outcome: 'unchanged' });
    expect(await ofDevice('first-0')).toMatchObject({ status: 'good' });
    const json = { reason: 'keyCompromise', invalidityDate: '2026-01-01T00:00:00Z' };
    for (const outcome of ['changed', 'unchanged']) {
      const answer = await server.call('POST', path, { json });
      expect(await answer.json()).toMatchObject({ outcome });
    }
    const { status, revocation } = await ofDevice('first-0');
    expect([status, revocation?.reason]).toEqual(['revoked', 'keyCompromise']);
    expect(revocation?.invalidityDate).toBe('2026-01-01T00:00:00.000Z');
    expect((await server.call('DELETE', path)).status).toBe(409);
    const other = await server.call('POST', path, { json: { reason: 'superseded' } });
    expect(other.status).toBe(409);
    const sameKey = await server.call('POST', '/v1/orders/o1/certificates?deviceId=first-0', {
      headers: { 'content-type': 'application/pkcs10' },
      body: new Uint8Array(firstCsrs[0]!.csr),
    });
    expect(await sameKey.json()).toMatchObject({ status: 400, code: 'KEY_COMPROMISED' });
    const actions = (await trail())
      .filter(({ detail }) => detail['serialNumber'] === serialNumber)
      .map(({ action }) => action);
    const expected = ['certificate.held', 'certificate.released', 'certificate.revoked'];
    expect(actions).toEqual(expected);
  });

  test.each([
    ['a reason that is none', { reason: 'because' }, 400],
    ['removeFromCRL', { reason: 'removeFromCRL' }, 400],
    ['another member', { reason: 'superseded', why: 'x' }, 400],
    ['a date in the future', { invalidityDate: '2999-01-01T00:00:00Z' }, 400],
  ])('is not revoked with %s', async (_, json, status) => {
    const { serialNumber } = await ofDevice('first-1');
    const answer = await server.call('POST', revocationOf(serialNumber), { json });
    expect(answer.status).toBe(status);
    expect(await ofDevice('first-1')).toMatchObject({ status: 'good' });
  });

  test('of another tenant, or of nobody, is not there; who may not revoke is refused', async () => {
    const { serialNumber } = await ofDevice('first-1');
    const foreign = await aTenantKey(server, 'globex', 'operator');
    const auditor = await aTenantKey(server, 'initech', 'auditor');
    const factory = await aTenantKey(server, 'hooli', 'factory');
    const json = { reason: 'superseded' };
    const statusOf = async (path: string, key?: string): Promise<number> =>
      (await server.call('POST', path, { json, ...(key === undefined ? {} : { key }) })).status;
    expect(await statusOf(revocationOf(serialNumber), foreign)).toBe(404);
    expect(await statusOf(revocationOf(serialNumber), auditor)).toBe(403);
    expect(await statusOf('/v1/revocations', factory)).toBe(403);
    expect(await statusOf(revocationOf('01'.repeat(20)))).toBe(404);
    expect(await statusOf(revocationOf('xyz'))).toBe(404);
    expect((await server.call('GET', '/v1/audit', { key: auditor })).status).toBe(403);
    expect(await ofDevice('first-1')).toMatchObject({ status: 'good' });
  });
});

describe('many certificates', () => {
  test('of a batch are revoked once; a dry run only tells', async () => {
    const own = await issued('second', csrsOf(300, 'second'));
    const call = async (json: object): Promise<unknown> => {
      const answer = await server.call('POST', '/v1/revocations', { json });
      const told: unknown = await answer.json();
      changesSchema.parse(told);
      return told;
    };
    const json = { batchId: own, reason: 'cessationOfOperation' };
    expect(await call({ ...json, dryRun: true })).toMatchObject({ changed: 300, isDryRun: true });
    expect(await call(json)).toMatchObject({ changed: 300, unchanged: 0 });
    expect(await call(json)).toMatchObject({ changed: 0, unchanged: 300 });
    expect(await call({ orderId: 'o1', reason: 'certificateHold', dryRun: true })).toMatchObject({
      refused: 301,
    });
    const entries = await trail();
    const ended = entries.filter(
      ({ action, detail }) => action === 'revocation.ended' && detail['name'] === own,
    );
    expect(ended.map(({ detail }) => detail['changed'])).toEqual([300, 0]);
    const begun = ended[0]?.detail['begun'];
    expect(entries.find(({ sequence }) => sequence === begun)?.action).toBe('revocation.begun');
    const named = entries
      .filter(({ action, detail }) => action === 'revocation.chunk' && detail['begun'] === begun)
      .flatMap(({ detail }) => String(detail['serialNumbers']).split(' '));
    const revoked = await server.server.issuance.store.listRevoked(
      { issuer: 'dev', shard: 0 },
      { limit: 1_000 },
    );
    const stored = new Set(revoked.map((row) => Buffer.from(row.serialNumber).toString('hex')));
    expect(new Set(named).size).toBe(300);
    expect(named.every((serial) => stored.has(serial))).toBe(true);
    const scope = { issuer: 'dev', shard: 0 };
    const { store } = server.server.issuance;
    expect((await store.listRevoked(scope, { limit: 1_000 })).length).toBe(301);
  });

  test('above the limit of a call are none of it but a mass operation, and none is changed', async () => {
    await anOrder(server, 'large');
    const large = await issued('large', csrsOf(321, 'large'), 'large');
    const before = (await trail()).length;
    for (const which of [{ batchId: large }, { orderId: 'large' }, { issuer: 'dev' }]) {
      for (const dryRun of [true, false]) {
        const json = { ...which, dryRun, reason: 'superseded' };
        const answer = await server.call('POST', '/v1/revocations', { json });
        expect(await answer.json()).toMatchObject({ status: 413, code: 'LIMIT_EXCEEDED' });
      }
    }
    expect(await ofDevice('large-0')).toMatchObject({ status: 'good' });
    expect(await trail()).toHaveLength(before);
  });

  test('are looked at by a few calls of a tenant at once', async () => {
    const path = '/v1/calendar';
    const answers = await Promise.all(Array.from({ length: 12 }, () => server.call('GET', path)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses).toContain(200);
    expect(statuses).toContain(429);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    await Promise.all(answers.map((answer) => answer.text()));
    expect((await server.call('GET', path)).status).toBe(200);
  });

  test('of one device are all that it ever had, however many', async () => {
    await anOrder(server, 'often', { renews: true });
    const body = new Uint8Array(csrsOf(1, 'often')[0]!.csr);
    const path = '/v1/orders/often/certificates?deviceId=often-0';
    for (let i = 0; i < 101; i += 1) {
      const answer = await server.call('POST', path, {
        headers: { 'content-type': 'application/pkcs10' },
        body,
      });
      expect(answer.status).toBe(201);
    }
    const json = { deviceIds: ['often-0'], reason: 'cessationOfOperation' };
    const answer = await server.call('POST', '/v1/revocations', { json });
    expect(await answer.json()).toMatchObject({ changed: 101 });
  });

  test('are named by device, key and number, and twice; what is not there is told', async () => {
    const { serialNumber } = await ofDevice('first-3');
    const json = {
      reason: 'superseded',
      deviceIds: ['first-2', 'nobody', 'first-2', 'first-3'],
      serialNumbers: [serialNumber],
      udids: ['00'.repeat(32)],
    };
    for (const dryRun of [true, false]) {
      const answer = await server.call('POST', '/v1/revocations', { json: { ...json, dryRun } });
      const counts = { changed: 2, unchanged: 2, notFound: 2, pending: 0 };
      expect(await answer.json()).toMatchObject(counts);
    }
    expect(await ofDevice('first-2')).toMatchObject({ status: 'revoked' });
  });

  test.each([
    ['nothing', {}],
    ['two ways at once', { batchId: 'b', orderId: 'o' }],
    ['a number that is none', { serialNumbers: ['12'] }],
  ])('are not named by %s', async (_, json) => {
    expect((await server.call('POST', '/v1/revocations', { json })).status).toBe(400);
  });
});

test('the audit trail has what operators did, each entry behind the one before', async () => {
  const entries = await trail();
  expect(auditBreakOf(entries)).toBeUndefined();
  const actions = new Set(entries.map(({ action }) => action));
  for (const action of ['order.opened', 'tenant.opened', 'credential.added', 'revocation.begun']) {
    expect(actions).toContain(action);
  }
  expect(batchId).toHaveLength(26);
});

import { massOperationSchema } from '@certmill/platform';
import { loadAuthorities, revokeAuthority } from '@certmill/trust';
import { X509Certificate } from 'node:crypto';
import { csrsOf, ndjsonOf, type DeviceCsr } from '../testing/a-csr.js';
import { accountOf, resultsOf } from './mass-results.js';
import { anOrder, aServer, ndjson, type TestServer } from './test-server.js';

const population = 5;
const csrs = csrsOf(population, 'unit');
const everyDevice = Array.from({ length: population }, (_, i) => `unit-${String(i)}`);

interface Held {
  readonly by: string;
  readonly status: string;
  /** Why its CA is revoked. */
  readonly issuerRevoked?: string;
  readonly publicKey: string;
}

let server: TestServer;
const get = (path: string): Promise<Response> => server.call('GET', path);

async function issued(
  orderId: string,
  issuer: string,
  requests: readonly DeviceCsr[] = csrs,
): Promise<void> {
  await anOrder(server, orderId, { issuer, renews: true });
  const answer = await server.call('POST', `/v1/orders/${orderId}/batches`, {
    headers: { ...ndjson, 'idempotency-key': orderId },
    body: ndjsonOf(requests),
  });
  const { batchId } = (await answer.json()) as { readonly batchId: string };
  await (await get(`/v1/batches/${batchId}/certificates?follow=true`)).text();
}

/** The counts of an operation that are not 0, were it begun now. */
async function wouldCount(json: object): Promise<object> {
  const answer = await server.call('POST', '/v1/operations', { json: { ...json, dryRun: true } });
  const { counts } = massOperationSchema.parse(await answer.json());
  const told = Object.entries(counts).filter(([name, count]) => {
    return count > 0 && name !== 'requests' && name !== 'lookedAt';
  });
  return Object.fromEntries(told);
}

/** Begins an operation, and resolves when it is done. */
async function begun(json: {
  readonly operationId: string;
  readonly kind: string;
  readonly selection: object;
}): Promise<void> {
  await server.call('POST', '/v1/operations', { json });
  const name = json.operationId;
  for (;;) {
    const { state } = massOperationSchema.parse(await (await get(`/v1/operations/${name}`)).json());
    if (state === 'done') return;
    if (state !== 'running') throw new Error(state);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** What a device has, newest first. */
async function heldBy(deviceId: string): Promise<readonly Held[]> {
  const answer = await get(`/v1/certificates?deviceId=${deviceId}`);
  const { items } = (await answer.json()) as {
    readonly items: readonly (Omit<Held, 'by' | 'publicKey'> & { readonly certificate: string })[];
  };
  return items.map(({ certificate, status, issuerRevoked }) => {
    const { issuer, publicKey } = new X509Certificate(certificate);
    const [, by = ''] = /CN=(first|second|third)/u.exec(issuer) ?? [];
    const spki = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    return { by, status, publicKey: spki, ...(issuerRevoked && { issuerRevoked }) };
  });
}

beforeAll(async () => {
  const issuers = { first: 'ec-p256', second: 'ec-p256', third: 'ec-p256' } as const;
  server = await aServer({}, {}, { issuers });
});
afterAll(() => server[Symbol.asyncDispose]());

describe('devices that have renewed under a CA which is revoked since', () => {
  const selection = { orderId: 'x' };
  const reissue = { kind: 'reissue', issuer: 'third', profile: 'tls-client' };
  const again = { ...reissue, operationId: 'again', selection };
  const gone = { operationId: 'gone', kind: 'revoke', selection: { ...selection, renewedBy: 'y' } };

  beforeAll(async () => {
    await issued('x', 'first');
    await issued('y', 'second');
    // One has renewed twice there: the later one stands for it, whatever has become of the CA.
    await issued('z', 'second', csrs.slice(0, 1));
    await issued('x-held', 'first', csrsOf(1, 'held'));
    await issued('y-held', 'second', csrsOf(1, 'held'));
    const path = '/v1/revocations';
    const json = { orderId: 'y-held', reason: 'certificateHold' };
    expect((await server.call('POST', path, { json })).status).toBe(200);
    expect(await wouldCount(again)).toEqual({ selected: population, skipped: population });
    expect(await wouldCount(gone)).toEqual({ selected: population, changed: population });
    const all = await loadAuthorities(server.data);
    const second = all.find(({ name }) => name === 'second');
    await revokeAuthority({
      directory: server.data,
      parent: second?.parent ?? '',
      certificateDer: second?.chainDer[0] ?? new Uint8Array(),
      reason: 'cACompromise',
      nowMs: Date.now(),
    });
    const isNoticed = async () =>
      (await (await get('/v1/issuers/second')).text()).includes('is revoked');
    while (!(await isNoticed())) await new Promise((resolve) => setTimeout(resolve, 50));
  });

  test('hold nothing else that lasts, so what they had before is not replaced', async () => {
    expect(await heldBy('unit-1')).toMatchObject([
      { by: 'second', status: 'good', issuerRevoked: 'cACompromise' },
      { by: 'first', status: 'good' },
    ]);
    expect(await wouldCount(again)).toEqual({ selected: population, submitted: population });
    expect(await wouldCount(gone)).toEqual({});
    const moved = { ...reissue, operationId: 'moved', selection: { issuer: 'second' } };
    expect(await wouldCount(moved)).toEqual({
      selected: population + 2,
      submitted: population,
      skipped: 2,
    });
  });

  test('get one each where the CA of what they had before is given up too', async () => {
    await begun(again);
    expect(await accountOf(get, 'again')).toEqual({ issued: population });
    await begun({ operationId: 'end', kind: 'revoke', selection });
    for (const deviceId of everyDevice) {
      const [newest, ...others] = await heldBy(deviceId);
      expect(newest).toEqual({ by: 'third', status: 'good', publicKey: newest?.publicKey });
      expect(others.at(-1)).toMatchObject({ by: 'first', status: 'revoked' });
      for (const { publicKey } of others) expect(publicKey).toBe(newest?.publicKey);
    }
  });

  test('get none where that is on hold, which is told', async () => {
    await begun({ ...again, operationId: 'held', selection: { orderId: 'x-held' } });
    expect(await accountOf(get, 'held')).toEqual({ skipped: 1 });
    expect(await resultsOf(get, 'held')).toMatchObject([{ reason: 'REPLACEMENT_NOT_GOOD' }]);
  });

  test('get no second one where the revoked CA is left behind them', async () => {
    const json = { ...reissue, operationId: 'late', selection: { issuer: 'second' } };
    await begun(json);
    expect(await accountOf(get, 'late')).toEqual({ skipped: population + 2 });
    const reasons = (await resultsOf(get, 'late')).map(({ reason }) => reason);
    expect(new Set(reasons)).toEqual(new Set(['CERTIFICATE_REPLACED', 'CERTIFICATE_ON_HOLD']));
  });
});

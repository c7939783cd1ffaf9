import { execFileSync } from 'node:child_process';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { verifyManifest } from '@certmill/pipeline';
import { aCsr, csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { anOrder, aServer, ndjson, type TestServer } from './test-server.js';

interface BatchBody {
  readonly batchId: string;
  readonly nextIndex: number;
  readonly state: string;
  readonly counters: Readonly<Record<string, number>>;
}

let server: TestServer;
const devices = csrsOf(300, 'dev');
let batch: BatchBody;

beforeAll(async () => {
  server = await aServer();
  expect((await anOrder(server, 'o1')).status).toBe(201);
  const response = await server.call('POST', '/v1/orders/o1/batches', {
    headers: { ...ndjson, 'idempotency-key': 'main' },
    body: `${ndjsonOf(devices)}{not json\n`,
  });
  expect(response.status).toBe(202);
  batch = (await response.json()) as BatchBody;
  expect(response.headers.get('location')).toBe(`/v1/batches/${batch.batchId}`);
});

afterAll(() => server[Symbol.asyncDispose]());

const download = async (path: string): Promise<Response> => {
  const response = await server.call('GET', `/v1/batches/${batch.batchId}/${path}`);
  expect(response.status).toBe(200);
  return response;
};

describe('a batch', () => {
  it('tells its progress as events that end with its completion', async () => {
    const text = await (await download('events')).text();
    const [last] = text.trim().split('\n\n').slice(-1);
    expect(last).toMatch(/^event: complete\nid: \d+\ndata: /);
    const view = JSON.parse(last?.split('data: ')[1] ?? '') as BatchBody;
    expect(view).toMatchObject({ state: 'complete', nextIndex: 301 });
    expect(view.counters).toMatchObject({ accepted: 301, issued: 300, rejected: 1, inFlight: 0 });
  });

  it('is the same batch when it is sent again', async () => {
    const again = await server.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': 'main' },
      body: `${ndjsonOf(devices)}{not json\n`,
    });
    const view = (await again.json()) as BatchBody;
    expect(view.batchId).toBe(batch.batchId);
    expect(view.counters['accepted']).toBe(301);
  });

  it('refuses other requests under its key with 409, batch and nextIndex', async () => {
    const other = await server.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': 'main' },
      body: ndjsonOf(csrsOf(300, 'other')),
    });
    expect(other.status).toBe(409);
    expect(await other.json()).toMatchObject({
      code: 'CONFLICT',
      batchId: batch.batchId,
      nextIndex: 301,
    });
  });

  it('takes nothing beyond its end: 409, and it stays complete', async () => {
    const extra = ndjsonOf(csrsOf(3, 'extra'));
    const beyond = await server.call('POST', '/v1/orders/o1/batches?firstIndex=301', {
      headers: { ...ndjson, 'idempotency-key': 'main' },
      body: extra,
    });
    expect(beyond.status).toBe(409);
    const longer = await server.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': 'main' },
      body: `${ndjsonOf(devices)}{not json\n${extra}`,
    });
    expect(longer.status).toBe(409);
    const after = (await (
      await server.call('GET', `/v1/batches/${batch.batchId}`)
    ).json()) as BatchBody;
    expect(after).toMatchObject({ state: 'complete', nextIndex: 301, total: 301 });
    expect(after.counters).toMatchObject({ accepted: 301, issued: 300, rejected: 1, inFlight: 0 });
  });

  it('is found by its Idempotency-Key', async () => {
    const found = await server.call('GET', '/v1/orders/o1/batches?idempotencyKey=main');
    expect(((await found.json()) as { items: BatchBody[] }).items[0]?.batchId).toBe(batch.batchId);
    const none = await server.call('GET', '/v1/orders/o1/batches?idempotencyKey=nobody');
    expect(await none.json()).toEqual({ items: [] });
  });

  it('gives every certificate as NDJSON, each for the key of its device', async () => {
    const lines = (await (await download('certificates?format=ndjson&follow=true')).text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { deviceId: string; certificate: string; chunk: number });
    expect(lines).toHaveLength(300);
    for (const { deviceId, certificate } of lines) {
      expect(new X509Certificate(certificate).subject).toContain(`CN=${deviceId}`);
    }
    const later = (await (await download('certificates?firstChunk=1')).text()).trim().split('\n');
    expect(later).toHaveLength(lines.filter(({ chunk }) => chunk >= 1).length);
  });

  it('gives archives and PKCS#7 that other tools read whole', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'certmill-formats-'));
    try {
      for (const format of ['tar', 'zip', 'p7b', 'pem']) {
        const response = await download(`certificates?format=${format}&follow=true`);
        await writeFile(join(folder, format), Buffer.from(await response.arrayBuffer()));
      }
      const run = (command: string, ...args: string[]): string =>
        execFileSync(command, args, { cwd: folder, encoding: 'utf8' });
      expect(run('tar', 'tf', 'tar').trim().split('\n')).toHaveLength(301);
      expect(run('python3', '-m', 'zipfile', '-t', 'zip')).toContain('Done testing');
      expect(run('python3', '-m', 'zipfile', '-l', 'zip').match(/\.der/g)).toHaveLength(300);
      const pkcs7 = run('openssl', 'pkcs7', '-inform', 'DER', '-in', 'p7b', '-print_certs');
      expect(pkcs7.match(/^subject/gm)).toHaveLength(302);
      expect(readFileSync(join(folder, 'pem'), 'utf8').match(/BEGIN CERTIFICATE/g)).toHaveLength(
        300,
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('chooses the format by Accept', async () => {
    const response = await server.call('GET', `/v1/batches/${batch.batchId}/certificates`, {
      headers: { accept: 'application/x-pem-file' },
    });
    expect(await response.text()).toMatch(/^-----BEGIN CERTIFICATE-----/);
  });

  it('lists its rejections with place and code', async () => {
    const text = await (await download('rejections?follow=true')).text();
    expect(JSON.parse(text)).toMatchObject({
      index: 300,
      source: 'line 301',
      code: 'INPUT_NOT_A_CSR',
    });
  });

  it('has a manifest whose signature covers every line', async () => {
    const manifest = Buffer.from(await (await download('manifest?follow=true')).arrayBuffer());
    const trustedKey = createPublicKey(server.server.issuance.services.manifestKey);
    const pieces = async function* (bytes: Buffer, size: number): AsyncGenerator<Buffer> {
      for (let at = 0; at < bytes.length; at += size) {
        yield await Promise.resolve(bytes.subarray(at, at + size));
      }
    };
    for (const size of [7, 1_000, manifest.length]) {
      const summary = await verifyManifest(pieces(manifest, size), { trustedKey });
      expect(summary).toMatchObject({ batchId: batch.batchId, certificates: 300 });
    }
    const changed = Buffer.from(manifest.toString().replace('dev-7"', 'dev-8"'));
    await expect(verifyManifest(pieces(changed, 1_000), { trustedKey })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });

  it.each([
    ['gzip', (text: string) => gzipSync(text)],
    ['zstd', (text: string) => zstdCompressSync(text)],
  ])('may be uploaded as %s', async (coding, compress) => {
    const response = await server.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': coding, 'content-encoding': coding },
      body: new Uint8Array(compress(ndjsonOf(csrsOf(5, coding)))),
    });
    expect(response.status).toBe(202);
    expect(((await response.json()) as BatchBody).nextIndex).toBe(5);
  });

  it('ends as cancelled, and cancelling it again changes nothing', async () => {
    const path = `/v1/batches/${batch.batchId}`;
    expect((await server.call('DELETE', path)).status).toBe(202);
    expect((await server.call('DELETE', path)).status).toBe(202);
    const view = (await (await server.call('GET', path)).json()) as BatchBody;
    expect(view.counters).toMatchObject({ issued: 300, cancelled: 0 });
  });
});

describe('one enrolment', () => {
  const enroll = (body: Buffer, type: string, query = ''): Promise<Response> =>
    server.call('POST', `/v1/orders/o1/certificates${query}`, {
      headers: { 'content-type': type },
      body: new Uint8Array(body),
    });

  it('answers with the certificate, which is then found by serial number and device', async () => {
    const response = await enroll(aCsr('solo'), 'application/pkcs10', '?deviceId=solo');
    expect(response.status).toBe(201);
    const certificate = new X509Certificate(await response.text());
    const location = response.headers.get('location') ?? '';
    expect(location).toBe(`/v1/certificates/${certificate.serialNumber.toLowerCase()}`);
    const shown = (await (
      await server.call('GET', location, { headers: { accept: 'application/json' } })
    ).json()) as { deviceId: string; status: string };
    expect(shown).toMatchObject({ deviceId: 'solo', status: 'good' });
    const found = await server.call('GET', '/v1/certificates?deviceId=solo');
    expect(((await found.json()) as { items: unknown[] }).items).toHaveLength(1);
  });

  it('takes base64, PEM and JSON as well', async () => {
    const base64 = Buffer.from(aCsr('b64').toString('base64'));
    expect((await enroll(base64, 'application/pkcs10', '?deviceId=b64')).status).toBe(201);
    const pem = Buffer.from(
      `-----BEGIN CERTIFICATE REQUEST-----\n${aCsr('pem').toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`,
    );
    expect((await enroll(pem, 'application/x-pem-file', '?deviceId=pem')).status).toBe(201);
    const json = { deviceId: 'json', csr: aCsr('json').toString('base64') };
    const response = await server.call('POST', '/v1/orders/o1/certificates', { json });
    expect(response.status).toBe(201);
  });

  it('answers a rejected request with the problem of its code', async () => {
    const csr = aCsr('broken');
    csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1;
    const response = await enroll(csr, 'application/pkcs10', '?deviceId=broken');
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
      400,
      'CSR_POP_INVALID',
    ]);
    const key = Buffer.from('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
    const refused = await enroll(key, 'application/x-pem-file');
    expect(await refused.json()).toMatchObject({ status: 400, code: 'PRIVATE_KEY_SUBMITTED' });
  });
});

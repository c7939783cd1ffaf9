import { once } from 'node:events';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { openssl, opensslCsr, opensslVerify } from '../cli/testing/openssl.js';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from '../cli/testing/work-folder.js';
import {
  curlAt,
  json,
  ndjsonFile,
  ndjsonUpload,
  openOrder,
  startServer,
  startUpload,
  type Curl,
  type RunningServer,
} from './testing/running-server.js';

interface BatchBody {
  readonly batchId: string;
  readonly state: string;
  readonly nextIndex: number;
  readonly counters: Readonly<Record<string, number>>;
}

const linesOf = <T>(text: string): T[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

describe('a server driven by curl alone', () => {
  let work: WorkFolder;
  let server: RunningServer;
  let curl: Curl;
  beforeAll(async () => {
    work = await aWorkFolder();
    server = await startServer(work, '--role', 'all');
    curl = curlAt(server.url, server.key, work.path);
    expect((await curl('POST', '/v1/orders', ...openOrder('open'))).status).toBe(201);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await work[Symbol.asyncDispose]();
  });

  const findBatch = async (idempotencyKey: string): Promise<BatchBody | undefined> => {
    const query = `idempotencyKey=${idempotencyKey}`;
    const found = await curl('GET', `/v1/orders/open/batches?${query}`);
    return found.json<{ items: BatchBody[] }>().items[0];
  };

  const untilDurable = async (idempotencyKey: string, nextIndex: number): Promise<BatchBody> => {
    for (;;) {
      const batch = await findBatch(idempotencyKey);
      if (batch?.nextIndex === nextIndex) return batch;
      await sleep(50);
    }
  };

  it('issues for the devices of an order, and for no other', async () => {
    const order = openOrder('spring', { requiresAllowList: true, quota: 100 });
    const opened = await curl('POST', '/v1/orders', ...order);
    expect(opened.json()).toMatchObject({ orderId: 'spring', state: 'open', reserved: 0 });
    const csrs = await ndjsonFile(work, 'fleet', 40);
    const listed = csrs.slice(1).map(({ deviceId }) => deviceId);
    await writeFile(work.at('allow.csv'), `deviceId\n${listed.join('\n')}\n`);
    const csv = ['-H', 'content-type: text/csv', '--data-binary', '@allow.csv'];
    const list = await curl('PUT', '/v1/orders/spring/devices', ...csv);
    expect(list.json()).toEqual({ devices: 39 });

    const upload = [...ndjsonUpload('fleet'), '--data-binary', '@fleet'];
    const uploaded = await curl('POST', '/v1/orders/spring/batches', ...upload);
    expect(uploaded.status).toBe(202);
    const certificates = await curl(
      'GET',
      `${uploaded.location}/certificates?follow=true&format=pem`,
    );
    const pems = certificates.body.match(
      /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/g,
    );
    const subjects = pems?.map((pem) => new X509Certificate(pem).subject);
    expect(subjects?.sort()).toEqual(listed.map((deviceId) => `CN=${deviceId}`).sort());
    await writeFile(work.at('one.pem'), pems?.[0] ?? '');
    expect(opensslVerify(work.at('data'), [work.at('one.pem')])).toContain(': OK');
    const rejections = await curl('GET', `${uploaded.location}/rejections?follow=true`);
    expect(linesOf(rejections.body)).toMatchObject([
      { index: 0, source: 'line 1', deviceId: 'fleet-0', code: 'DEVICE_NOT_AUTHORIZED' },
    ]);
    const batch = await curl('GET', uploaded.location);
    expect(batch.json()).toMatchObject({
      state: 'complete',
      counters: { accepted: 40, issued: 39, rejected: 1, inFlight: 0 },
    });
    const manifest = await curl('GET', `${uploaded.location}/manifest`);
    const digests = pems?.map((pem) =>
      createHash('sha256').update(new X509Certificate(pem).raw).digest('hex'),
    );
    for (const digest of digests ?? []) expect(manifest.body).toContain(digest);
    expect((await curl('GET', '/v1/orders/spring')).json()).toMatchObject({ reserved: 39 });
  });

  it('enrolls a device within the call and finds it by serial, udid and device id', async () => {
    opensslCsr('p256', '/CN=solo', work.at('solo.pem'));
    const pem = ['-H', 'content-type: application/x-pem-file', '--data-binary', '@solo.pem'];
    const path = '/v1/orders/open/certificates?deviceId=solo';
    const enrolled = await curl('POST', path, ...pem);
    expect(enrolled.status).toBe(201);
    const certificate = new X509Certificate(enrolled.body);
    expect(certificate.subject).toBe('CN=solo');
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    const udid = createHash('sha256').update(spki).digest('hex');
    const bySerial = await curl('GET', enrolled.location, '-H', 'accept: application/json');
    const found = [
      bySerial.json<{ certificate: string }>(),
      ...(await curl('GET', `/v1/certificates?udid=${udid}`)).json<{
        items: { certificate: string }[];
      }>().items,
      ...(await curl('GET', '/v1/certificates?deviceId=solo')).json<{
        items: { certificate: string }[];
      }>().items,
    ];
    expect(found).toHaveLength(3);
    for (const item of found) {
      expect(item).toMatchObject({ deviceId: 'solo', status: 'good' });
      expect(new X509Certificate(item.certificate).raw.equals(certificate.raw)).toBe(true);
    }
    expect((await curl('POST', path, ...pem)).json()).toMatchObject({
      status: 409,
      code: 'DEVICE_ALREADY_ISSUED',
    });
  });

  it('takes the same upload twice as one batch, and refuses others under its key', async () => {
    await ndjsonFile(work, 'same', 20);
    await ndjsonFile(work, 'other', 20);
    const upload = (file: string): ReturnType<Curl> =>
      curl(
        'POST',
        '/v1/orders/open/batches',
        ...ndjsonUpload('twice'),
        '--data-binary',
        `@${file}`,
      );
    const first = await upload('same');
    const again = await upload('same');
    expect([first.status, again.status, again.location]).toEqual([202, 202, first.location]);
    expect(again.json<BatchBody>().counters['accepted']).toBe(20);
    const refused = await upload('other');
    expect(refused.json()).toMatchObject({ status: 409, code: 'CONFLICT', nextIndex: 20 });
  });

  it('goes on with an upload that was cut at its nextIndex', async () => {
    const csrs = csrsOf(300, 'cut');
    const key = server.key ?? '';
    const uploading = startUpload(server.url, key, '/v1/orders/open/batches', 'cut');
    uploading.write(csrs);
    const { batchId } = await untilDurable('cut', 256);
    uploading.child.kill('SIGKILL');
    await once(uploading.child, 'close');
    expect(await findBatch('cut')).toMatchObject({ state: 'uploading', nextIndex: 256 });

    await writeFile(work.at('rest'), ndjsonOf(csrs.slice(256)));
    const rest = [...ndjsonUpload('cut'), '--data-binary', '@rest'];
    const resumed = await curl('POST', '/v1/orders/open/batches?firstIndex=256', ...rest);
    expect(resumed.json()).toMatchObject({ batchId, nextIndex: 300 });
    const issued = await curl('GET', `${resumed.location}/certificates?follow=true&format=ndjson`);
    const devices = linesOf<{ deviceId: string }>(issued.body).map(({ deviceId }) => deviceId);
    expect(devices).toEqual(csrs.map(({ deviceId }) => deviceId));
  });

  it('issues nothing more for a batch that was cancelled', async () => {
    const csrs = csrsOf(300, 'cancelled');
    const key = server.key ?? '';
    const uploading = startUpload(server.url, key, '/v1/orders/open/batches', 'cancelled');
    uploading.write(csrs);
    const { batchId } = await untilDurable('cancelled', 256);
    expect((await curl('DELETE', `/v1/batches/${batchId}`)).status).toBe(202);
    uploading.child.kill('SIGKILL');
    await writeFile(work.at('rest'), ndjsonOf(csrs.slice(256)));
    const rest = [...ndjsonUpload('cancelled'), '--data-binary', '@rest'];
    const resumed = await curl('POST', '/v1/orders/open/batches?firstIndex=256', ...rest);
    expect(resumed.json()).toMatchObject({ status: 409, code: 'CONFLICT' });
    expect((await curl('GET', '/v1/certificates?deviceId=cancelled-299')).json()).toEqual({
      items: [],
    });
    expect((await curl('GET', `/v1/batches/${batchId}`)).json()).toMatchObject({
      state: 'cancelled',
    });
  });

  it('shows a second tenant nothing of the first, and nobody anything without a key', async () => {
    expect((await curl('POST', '/v1/tenants', ...json({ tenant: 'acme' }))).status).toBe(201);
    const made = await curl('POST', '/v1/tenants/acme/credentials', ...json({ role: 'operator' }));
    const stranger = curlAt(server.url, made.json<{ key: string }>().key);
    const nobody = curlAt(server.url);
    const batch = await findBatch('cut');
    for (const path of ['/v1/orders/open', `/v1/batches/${batch?.batchId ?? ''}`]) {
      expect((await curl('GET', path)).status).toBe(200);
      expect((await stranger('GET', path)).json()).toMatchObject({
        status: 404,
        code: 'NOT_FOUND',
      });
      expect((await nobody('GET', path)).json()).toMatchObject({
        status: 401,
        code: 'UNAUTHENTICATED',
      });
    }
  });

  it('tells operators and tools what they need without a key', async () => {
    const nobody = curlAt(server.url);
    expect((await nobody('GET', '/readyz')).json()).toEqual({ status: 'ready' });
    const metrics = await nobody('GET', '/metrics');
    expect(metrics.body).toMatch(
      /^certmill_chunk_duration_seconds_count\{stage="sign",lane="bulk"\} [1-9]/m,
    );
    const { openapi, paths } = (await nobody('GET', '/openapi.json')).json<{
      openapi: string;
      paths: object;
    }>();
    expect(openapi).toMatch(/^3\./);
    expect(Object.keys(paths)).toContain('/v1/orders/{orderId}/batches');
  });

  it('keeps its data folder to itself: a second server is told so', async () => {
    const second = await runCertmill(['serve', '--data', 'data', '--port', '0'], {
      cwd: work.path,
    });
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toMatch(/^error DATA_FOLDER_IN_USE: .*works in data;/m);
  });
});

describe('stopping and starting again', () => {
  it('loses nothing that was accepted, and shows the first credential once', async () => {
    await using work = await aWorkFolder();
    await using first = await startServer(work);
    const key = first.key ?? '';
    expect(key).toMatch(/^cm_/);
    const before = curlAt(first.url, key, work.path);
    await before('POST', '/v1/orders', ...openOrder('o1'));
    await ndjsonFile(work, 'fleet', 6_000);
    const upload = [...ndjsonUpload('fleet'), '--data-binary', '@fleet'];
    const uploaded = await before('POST', '/v1/orders/o1/batches', ...upload);
    expect(uploaded.status).toBe(202);
    // The signal comes while chunks are in hand.
    expect(uploaded.json<BatchBody>().counters['inFlight']).toBeGreaterThan(0);
    const ended = await first.stop();
    expect([ended.exitCode, ended.stdout.match(/cm_\S+/g)]).toEqual([0, [key]]);

    await using second = await startServer(work);
    expect(second.key).toBeUndefined();
    const after = curlAt(second.url, key, work.path);
    const all = await after('GET', `${uploaded.location}/certificates?follow=true&format=ndjson`);
    const serials = linesOf<{ serialNumber: string }>(all.body).map((line) => line.serialNumber);
    expect(new Set(serials).size).toBe(6_000);
    expect((await after('GET', uploaded.location)).json()).toMatchObject({
      state: 'complete',
      counters: { accepted: 6_000, issued: 6_000, rejected: 0, inFlight: 0 },
    });
    expect((await second.stop()).exitCode).toBe(0);
  });
});

describe('listening', () => {
  it('off loopback needs TLS, which works with files made by openssl', async () => {
    await using work = await aWorkFolder();
    await writeFile(work.at('open.json'), JSON.stringify({ http: { host: '0.0.0.0' } }));
    const refused = await runCertmill(
      ['serve', '--config', 'open.json', '--port', '0', '--data', 'data'],
      { cwd: work.path },
    );
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(
      /^error CONFIG_INVALID: refusing to listen on 0\.0\.0\.0 without TLS/m,
    );

    openssl(
      ...['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ...['-subj', '/CN=certmill', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', work.at('tls.key'), '-out', work.at('tls.pem')],
    );
    const tls = { certFile: 'tls.pem', keyFile: 'tls.key' };
    await writeFile(work.at('tls.json'), JSON.stringify({ http: { host: '0.0.0.0', tls } }));
    await using server = await startServer(work, '--config', 'tls.json');
    // The start that was refused has not used up the first credential.
    expect(server.key).toMatch(/^cm_/);
    const url = new URL(server.url);
    expect(url.protocol).toBe('https:');
    const curl = curlAt(`https://127.0.0.1:${url.port}`, server.key, work.path);
    const orders = await curl('GET', '/v1/orders', '--cacert', 'tls.pem');
    expect([orders.status, orders.json()]).toEqual([200, { items: [] }]);
    await expect(curl('GET', '/v1/orders')).rejects.toMatchObject({ code: 60 });
    expect((await server.stop()).exitCode).toBe(0);
    expect(readFileSync(work.at('data', 'store', 'certmill.db')).includes(server.key ?? '')).toBe(
      false,
    );
  });
});

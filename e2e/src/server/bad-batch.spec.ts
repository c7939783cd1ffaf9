import { writeFile } from 'node:fs/promises';
import { jest } from '@jest/globals';
import { aCsr, aForgedCsr, aKey, ndjsonLineOf } from '../testing/a-csr.js';
import { openssl } from '../cli/testing/openssl.js';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from '../cli/testing/work-folder.js';
import { curlAt, ndjsonUpload, openOrder, startServer } from './testing/running-server.js';

/** Of the batch, half of them bad; `BAD_BATCH_REQUESTS=200000` takes minutes. */
const requests = Number(process.env['BAD_BATCH_REQUESTS'] ?? 4_000);

jest.setTimeout(120_000 + requests * 5);

interface BadLine {
  /** The good request that it repeats. */
  readonly twinOf?: string;
  readonly line: string;
  readonly code: string;
}

const goodKey = aKey();
const goodCsr = aCsr('duplicate', goodKey);
const lineOf = (deviceId: string, csr: string | Buffer): string =>
  ndjsonLineOf(deviceId, csr).trimEnd();
const pemOf = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`;

/** The outer SEQUENCE with the indefinite length of BER (X.690 8.1.3.6), which DER forbids. */
const berOf = (csr: Buffer): Buffer =>
  Buffer.concat([Buffer.of(0x30, 0x80), csr.subarray(csr[1] === 0x81 ? 3 : 4), Buffer.of(0, 0)]);

/** Every way to be bad; each call makes another one. */
function badKinds(certificatePem: string): readonly ((deviceId: string) => BadLine)[] {
  const malformed = (line: string): BadLine => ({ line, code: 'CSR_DER_MALFORMED' });
  const notACsr = (line: string): BadLine => ({ line, code: 'INPUT_NOT_A_CSR' });
  const privateKey = (line: string): BadLine => ({ line, code: 'PRIVATE_KEY_SUBMITTED' });
  const mismatch = (line: string): BadLine => ({ line, code: 'SUBJECT_MISMATCH' });
  const exported = { format: 'der', type: 'pkcs8' } as const;
  return [
    (id) => malformed(lineOf(id, '')),
    (id) => ({ line: lineOf(id, Buffer.alloc(200_000, 0x30)), code: 'CSR_TOO_LARGE' }),
    (id) => malformed(lineOf(id, aCsr(id).subarray(0, -7))),
    (id) => malformed(lineOf(id, 'this is no base64 at all!')),
    (id) => malformed(lineOf(id, berOf(aCsr(id)))),
    (id) => notACsr(lineOf(id, pemOf('PKCS7', aCsr(id)))),
    (id) => privateKey(lineOf(id, pemOf('EC PRIVATE KEY', Buffer.alloc(100, 7)))),
    (id) => privateKey(lineOf(id, aKey().privateKey.export(exported))),
    (id) => notACsr(lineOf(id, certificatePem)),
    (id) => notACsr(lineOf(id, goodKey.publicKey.export({ format: 'der', type: 'spki' }))),
    (id) => notACsr(`{"deviceId":"${id}","csr":`),
    () => notACsr('no JSON'),
    (id) => notACsr(JSON.stringify({ deviceId: id })),
    () => ({
      line: lineOf('first', aCsr('first')),
      code: 'DUPLICATE_IN_BATCH',
      twinOf: 'first',
    }),
    (id) => ({
      line: lineOf(id, aCsr(id, goodKey)),
      code: 'DUPLICATE_IN_BATCH',
      twinOf: 'duplicate',
    }),
    (id) => mismatch(lineOf(`${id}\u0007`, aCsr(id))),
    (id) => mismatch(lineOf('', aCsr(`${id}\u0000`))),
    (id) => mismatch(lineOf(id, aCsr(`${id}-other`))),
    () => mismatch(lineOf('', aCsr(Buffer.from([0xc3, 0x28])))),
    (id) => ({ line: lineOf(id, aForgedCsr(id)), code: 'CSR_POP_INVALID' }),
  ];
}

describe('a batch of which every other request is bad in one of the ways there are', () => {
  let work: WorkFolder;
  beforeAll(async () => {
    work = await aWorkFolder();
  });
  afterAll(() => work[Symbol.asyncDispose]());

  it('issues every good one and rejects every bad one with its code and place', async () => {
    openssl(
      ...['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ...['-subj', '/CN=ca', '-keyout', work.at('ca.key'), '-out', work.at('ca.pem')],
    );
    const kinds = badKinds(openssl('x509', '-in', work.at('ca.pem')));
    const lines: string[] = [];
    const good = new Map<string, number>();
    const bad: { index: number; source: string; code: string }[] = [];
    const twins = new Map<number, string>();
    const names = ['plain', 'Gr\u00fc\u00dfe', '\u6df1\u5733', '\u0437\u0430\u0432\u043e\u0434'];
    const addGood = (id: string, csr = aCsr(id)): void => {
      good.set(id, lines.length);
      lines.push(lineOf(id, csr));
    };
    addGood('first');
    addGood('duplicate', goodCsr);
    while (bad.length < requests / 2) {
      const index = lines.length;
      const id = `${names[bad.length % names.length]!}-${String(index)}`;
      const { line, code, twinOf } = kinds[bad.length % kinds.length]!(id);
      if (twinOf !== undefined) twins.set(index, twinOf);
      bad.push({ index, source: `line ${String(index + 1)}`, code });
      lines.push(line);
      if (good.size < requests / 2) addGood(`good-${id}`);
    }
    await writeFile(
      work.at('batch.ndjson'),
      lines.map((line, i) => (i === 0 ? line : `\n${line}`)),
    );

    await using server = await startServer(work);
    const curl = curlAt(server.url, server.key, work.path);
    await curl('POST', '/v1/orders', ...openOrder('o1', { quota: requests }));
    const upload = [...ndjsonUpload('bad'), '-T', 'batch.ndjson'];
    const uploaded = await curl('POST', '/v1/orders/o1/batches', ...upload);
    expect([uploaded.status, uploaded.json()]).toEqual([
      202,
      expect.objectContaining({ nextIndex: requests }),
    ]);
    const rejections = await curl('GET', `${uploaded.location}/rejections?follow=true`);
    const told = rejections.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as (typeof bad)[number]);
    const certificates = await curl('GET', `${uploaded.location}/certificates?format=ndjson`);
    const issued = certificates.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { deviceId: string; index: number });
    // Chunks are decided side by side: of requests that stand twice exactly one is issued, whichever.
    const goodIndexOf = ({ index, deviceId }: (typeof issued)[number]): number =>
      good.get(twins.get(index) ?? deviceId) ?? -1;
    expect(issued.map(goodIndexOf).sort((a, b) => a - b)).toEqual([...good.values()]);
    const issuedAt = new Map(issued.map((line) => [line.index, goodIndexOf(line)]));
    const rejected = bad.map(({ index, code }) => {
      const at = issuedAt.get(index) ?? index;
      return { index: at, source: `line ${String(at + 1)}`, code };
    });
    expect(told.map(({ index, source, code }) => ({ index, source, code }))).toEqual(
      rejected.sort((a, b) => a.index - b.index),
    );
    const batch = await curl('GET', uploaded.location);
    expect(batch.json()).toMatchObject({
      state: 'complete',
      counters: { accepted: requests, issued: good.size, rejected: bad.length, inFlight: 0 },
    });
    expect((await server.stop()).exitCode).toBe(0);
    const verified = await runCertmill(['verify-store', '--data', work.at('data'), '--json']);
    expect(JSON.parse(verified.stdout)).toMatchObject({ certificates: good.size, findings: [] });
  });
});

import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { csrDer, csrPem, otherDer } from './testing/fixtures.js';
import { readAll, shown } from './testing/read-all.js';
import type { InputFormat } from './sniff-format.js';

fc.configureGlobal({ seed: 20261123 });

const base64 = csrDer.toString('base64');
const limits = { maxCsrBytes: 2000, maxLineBytes: 4000 };
const long = 'A'.repeat(5000);

/** Fragments that a stream of the format is put together of, good and bad. */
const fragments: Record<Exclude<InputFormat, 'tar'>, readonly (string | Buffer)[]> = {
  ndjson: [
    `${JSON.stringify({ deviceId: 'a', csr: csrPem })}\n`,
    `{"deviceId":"b","csr":"${base64}"}\r\n`,
    `{"csr":"${base64}","deviceId":"\u00e4"}\n`,
    '\n',
    'not json\n',
    `{"deviceId":"c","csr":"${long}"}\n`,
    Buffer.of(0xff, 0x0a),
    '{"deviceId":"d","csr":"-----BEGIN PRIVATE KEY-----',
  ],
  pem: [
    csrPem,
    csrPem.replaceAll('\n', '\r\n'),
    '-----BEGIN CERTIFICATE REQUEST-----\n',
    '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
    '-----BEGIN ',
    '-----',
    '\n',
    'text\n',
    long,
    '-----END CERTIFICATE REQUEST-----\n',
  ],
  csv: [`a,${base64}\n`, `b,"${csrPem}"\r\n`, '"', 'c\n', `${long}\n`, '\n', `"d""",x\n`, 'e;f,g'],
  der: [csrDer, otherDer, Buffer.of(0x30), Buffer.of(0x30, 0x82, 0x20, 0x00), Buffer.alloc(9000)],
};

const arbitraryUpload = fc
  .constantFrom(...(Object.keys(fragments) as (keyof typeof fragments)[]))
  .chain((format) =>
    fc.record({
      format: fc.constant(format),
      bytes: fc.array(fc.constantFrom(...fragments[format]), { maxLength: 8 }).map((parts) => {
        const head = format === 'csv' ? ['deviceId,csr\n'] : [];
        return Buffer.concat([...head, ...parts].map((part) => Buffer.from(part)));
      }),
    }),
  );
const arbitraryCuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.nat(6000)), {
  minLength: 1,
  maxLength: 12,
});

test('the items do not depend on how the stream is cut into pieces', async () => {
  await fc.assert(
    fc.asyncProperty(
      arbitraryUpload,
      arbitraryCuts,
      fc.constantFrom(undefined, gzipSync, zstdCompressSync),
      async ({ format, bytes }, cuts, compress) => {
        const whole = await readAll(bytes, { format, limits });
        const sent = compress === undefined ? bytes : compress(bytes);
        const pieces = await readAll(sent, { format, limits }, [...cuts, 1 + (cuts[0] ?? 0)]);
        expect(pieces.items.map(shown)).toEqual(whole.items.map(shown));
        expect(pieces.fault).toEqual(whole.fault);
      },
    ),
    { numRuns: 600 },
  );
});

test('any octets give items or a coded fault, in every format', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 3000 }),
      fc.constantFrom<InputFormat | undefined>('ndjson', 'pem', 'csv', 'der', 'tar', undefined),
      async (bytes, format) => {
        const { items } = await readAll(bytes, format === undefined ? {} : { format });
        for (const item of items) expect(item.rejection).toBeDefined();
      },
    ),
    { numRuns: 400 },
  );
});

test('a line of the common shape means what JSON says that it means', async () => {
  const deviceIds = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant('plain-1'));
  const csrs = fc.oneof(
    fc.constantFrom(csrPem, `${csrPem}\n`, csrPem.trimEnd(), csrPem.replaceAll('\n', '\r\n')),
    fc.constantFrom(csrPem + csrPem, csrPem.replace('MII', '-II')),
    fc.constantFrom(base64, otherDer.toString('base64url'), ` ${base64}\t`, base64.slice(4)),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(deviceIds, csrs, async (deviceId, csr) => {
      const options = { format: 'ndjson' as const };
      const fast = await readAll(JSON.stringify({ deviceId, csr }), options);
      const slow = await readAll(JSON.stringify({ csr, deviceId }), options);
      expect(fast.items.map(shown)).toEqual(slow.items.map(shown));
    }),
    { numRuns: 600 },
  );
});

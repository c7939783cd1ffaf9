import { generateKeyPairSync } from 'node:crypto';
import { constants, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib';
import {
  encodeBitString,
  encodeInteger,
  encodeSequence,
  encodeTlv,
  pemEncode,
} from '@certmill/der';
import { pack } from 'tar-stream';
import { readInput } from './read-input.js';
import { csrDer, csrPem, fixture, otherDer } from './testing/fixtures.js';
import { readAll, streamOf } from './testing/read-all.js';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const keyDer = privateKey.export({ type: 'pkcs8', format: 'der' });
const sec1Pem = privateKey.export({ type: 'sec1', format: 'pem' }).toString();
const sealedPem = privateKey
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
  .toString();
const tbs = encodeSequence(encodeTlv(0xa0, encodeInteger(2)), encodeInteger(1));
const certificateDer = encodeSequence(tbs, encodeSequence(), encodeBitString(Buffer.alloc(8)));
const base64 = csrDer.toString('base64');

/** `code source` of each item, `ok source device` where it was accepted. */
async function outline(...call: Parameters<typeof readAll>): Promise<readonly string[]> {
  const { items, fault } = await readAll(...call);
  const lines = items.map(({ rejection, source, deviceId, der }) => {
    expect(der.length === 0).toBe(rejection !== undefined);
    return `${rejection?.code ?? 'ok'} ${source}${deviceId === '' ? '' : ` ${deviceId}`}`;
  });
  return fault === undefined ? lines : [...lines, fault];
}

async function tarOf(
  entries: readonly (readonly [string, Uint8Array | string])[],
): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of entries) archive.entry({ name }, Buffer.from(content));
  archive.entry({ name: 'link.pem', type: 'symlink', linkname: '/etc/passwd' });
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

describe('PEM', () => {
  test.each([
    ['one block', csrPem],
    ['CRLF', csrPem.replaceAll('\n', '\r\n')],
    ['no line end at the end', csrPem.trimEnd()],
    ['text around', `Certificate Request:\n  Data\n${csrPem}more text -----\n`],
    ['headers inside', csrPem.replace('-----\n', '-----\nComment: a\nX-Line: b\n\n')],
    ['one line of base64', pemOf('CERTIFICATE REQUEST', base64)],
    ['a byte order mark', `\uFEFF${csrPem}`],
    ['the old label', pemOf('NEW CERTIFICATE REQUEST', base64)],
  ])('is read with %s', async (_name, text) => {
    const { items } = await readAll(text);
    expect(items.map((item) => Buffer.from(item.der))).toEqual([csrDer]);
  });

  test('gives each block its line', async () => {
    const text = `${csrPem}\ntext\n${csrPem.replaceAll('\n', '\r\n')}`;
    const secondLine = csrPem.split('\n').length + 2;
    expect(await outline(text)).toEqual(['ok line 1', `ok line ${String(secondLine)}`]);
  });

  test.each([
    ['PRIVATE_KEY_SUBMITTED', 'a PKCS#8 key', keyPem],
    ['PRIVATE_KEY_SUBMITTED', 'an encrypted key', sealedPem],
    ['PRIVATE_KEY_SUBMITTED', 'an EC key', sec1Pem],
    ['PRIVATE_KEY_SUBMITTED', 'an OpenSSH key', pemOf('OPENSSH PRIVATE KEY', 'AAAA')],
    ['PRIVATE_KEY_SUBMITTED', 'a key cut short', keyPem.slice(0, 80)],
    [
      'PRIVATE_KEY_SUBMITTED',
      'a key under the label of a request',
      pemEncode('CERTIFICATE REQUEST', keyDer),
    ],
    ['INPUT_NOT_A_CSR', 'a certificate', pemEncode('CERTIFICATE', certificateDer)],
    [
      'INPUT_NOT_A_CSR',
      'a certificate under the label of a request',
      pemEncode('CERTIFICATE REQUEST', certificateDer),
    ],
    [
      'INPUT_NOT_A_CSR',
      'a public key',
      publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    ],
    ['INPUT_NOT_A_CSR', 'text without PEM', 'hello, world\n'],
    ['CSR_DER_MALFORMED', 'foreign characters', csrPem.replace('\nM', '\n*')],
    ['CSR_DER_MALFORMED', 'a missing END', csrPem.slice(0, csrPem.indexOf('-----END'))],
    ['CSR_DER_MALFORMED', 'another END', csrPem.replace('END CERTIFICATE', 'END X')],
    ['CSR_DER_MALFORMED', 'a cut BEGIN', '-----BEGIN CERTIFICATE REQ'],
    ['CSR_DER_MALFORMED', 'nothing inside', pemOf('CERTIFICATE REQUEST', '')],
    [
      'CSR_DER_MALFORMED',
      'DER cut short',
      pemEncode('CERTIFICATE REQUEST', csrDer.subarray(0, 99)),
    ],
    [
      'CSR_DER_MALFORMED',
      'octets behind the DER',
      pemEncode('CERTIFICATE REQUEST', Buffer.concat([csrDer, Buffer.of(0)])),
    ],
    ['CSR_TOO_LARGE', 'a huge block', pemEncode('CERTIFICATE REQUEST', Buffer.alloc(200_000))],
  ])('%s: %s, and goes on behind it', async (code, _name, bad) => {
    const isBlock = /^-----BEGIN [A-Z ]+-----$/m.test(bad);
    const [first, ...behind] = await outline(isBlock ? `${bad}\n${csrPem}` : bad);
    expect(first).toBe(`${code} line 1`);
    if (!isBlock) expect(behind).toEqual([]);
    else expect(behind).toEqual([expect.stringMatching(/^ok line /)]);
  });

  test('shows nothing of a private key in what it says', async () => {
    const secrets = [keyPem, sealedPem, sec1Pem].map((pem) => pem.split('\n')[1] ?? '');
    const all = `${keyPem}${sealedPem}${sec1Pem}`;
    const json = JSON.stringify({ deviceId: 'a', csr: keyPem });
    for (const text of [all, json, all.replaceAll('\n', ''), `{"csr": broken ${keyPem}`]) {
      const { items } = await readAll(text);
      const said = JSON.stringify(items);
      for (const secret of secrets) expect(said).not.toContain(secret.slice(0, 16));
    }
  });
});

function pemOf(label: string, body: string): string {
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}

describe('NDJSON', () => {
  test.each([
    ['PEM', { deviceId: 'a', csr: csrPem }],
    ['PEM with CRLF', { deviceId: 'a', csr: csrPem.replaceAll('\n', '\r\n') }],
    ['base64', { deviceId: 'a', csr: base64 }],
    ['base64url', { deviceId: 'a', csr: csrDer.toString('base64url') }],
    ['wrapped base64', { deviceId: 'a', csr: base64.replace(/.{64}/g, '$&\n') }],
    ['members in another order', { csr: base64, line: 4, deviceId: 'a' }],
  ])('takes %s', async (_name, line) => {
    for (const text of [JSON.stringify(line), JSON.stringify(line).replaceAll('":', '": ')]) {
      const { items } = await readAll(text, { format: 'ndjson' });
      expect(items).toEqual([{ der: csrDer, deviceId: 'a', source: 'line 1' }]);
    }
  });

  test.each([
    ['ok line 2', { csr: base64 }],
    ['ok line 2 a', { deviceId: 'a', csr: base64 }],
    ['ok line 2', { deviceId: null, csr: base64 }],
    ['ok line 2 Ger\u00e4t "1"', { deviceId: 'Ger\u00e4t "1"', csr: base64 }],
    [`ok line 2 ${'x'.repeat(128)}`, { deviceId: 'x'.repeat(128), csr: base64 }],
    ['SUBJECT_MISMATCH line 2', { deviceId: 'x'.repeat(129), csr: base64 }],
    ['SUBJECT_MISMATCH line 2', { deviceId: '\u20ac'.repeat(43), csr: base64 }],
    ['SUBJECT_MISMATCH line 2', { deviceId: 'a\nb', csr: base64 }],
    ['SUBJECT_MISMATCH line 2', { deviceId: 'a\u0085', csr: csrPem }],
    ['SUBJECT_MISMATCH line 2', { deviceId: '\ud800', csr: base64 }],
    ['SUBJECT_MISMATCH line 2', { deviceId: 7, csr: base64 }],
    ['INPUT_NOT_A_CSR line 2 a', { deviceId: 'a' }],
    ['INPUT_NOT_A_CSR line 2', { deviceId: 'a\u0000b', csr: 5 }],
    ['INPUT_NOT_A_CSR line 2', [1]],
    ['INPUT_NOT_A_CSR line 2', 'text'],
    ['INPUT_NOT_A_CSR line 2 a', { deviceId: 'a', csr: csrPem + csrPem }],
    ['PRIVATE_KEY_SUBMITTED line 2 a', { deviceId: 'a', csr: keyPem }],
    ['PRIVATE_KEY_SUBMITTED line 2 a', { deviceId: 'a', csr: csrPem + keyPem }],
    ['PRIVATE_KEY_SUBMITTED line 2 a', { deviceId: 'a', csr: keyDer.toString('base64') }],
    ['CSR_DER_MALFORMED line 2 a', { deviceId: 'a', csr: '' }],
    ['CSR_DER_MALFORMED line 2 a', { deviceId: 'a', csr: 'A' }],
    ['CSR_DER_MALFORMED line 2 a', { deviceId: 'a', csr: `${base64}!` }],
    ['CSR_DER_MALFORMED line 2 a', { deviceId: 'a', csr: `\u0141${base64.slice(1)}` }],
    ['CSR_DER_MALFORMED line 2 a', { deviceId: 'a', csr: base64.slice(0, 40) }],
    ['CSR_TOO_LARGE line 2 a', { deviceId: 'a', csr: largeRequest().toString('base64') }],
    ['CSR_TOO_LARGE line 2', { deviceId: 'a', csr: 'A'.repeat(200_000) }],
  ])('%s, with good lines around it', async (expected, line) => {
    const good = JSON.stringify({ deviceId: 'good', csr: base64 });
    const text = [good, JSON.stringify(line), '', good].join('\n');
    expect(await outline(text)).toEqual(['ok line 1 good', expected, 'ok line 4 good']);
  });

  test('rejects lines that are no JSON and no UTF-8', async () => {
    const good = JSON.stringify({ deviceId: 'a', csr: base64 });
    const latin1 = Buffer.from(good.replace('"a"', '"\u00e4"'), 'latin1');
    const text = Buffer.concat([Buffer.from(`${good}\n{"deviceId":\n`), latin1]);
    expect(await outline(text)).toEqual([
      'ok line 1 a',
      'INPUT_NOT_A_CSR line 2',
      'INPUT_NOT_A_CSR line 3',
    ]);
  });
});

/** Well-formed outside, one attribute too large inside. */
function largeRequest(): Buffer {
  const info = encodeSequence(
    encodeInteger(0),
    encodeSequence(),
    encodeSequence(),
    encodeTlv(0xa0, Buffer.alloc(70_000)),
  );
  return Buffer.from(encodeSequence(info, encodeSequence(), encodeBitString(Buffer.alloc(8))));
}

describe('CSV', () => {
  test.each([
    ['PEM in quotes', `deviceId,csr\na,"${csrPem}"\n`],
    ['base64', `deviceId,csr\na,${base64}\n`],
    ['semicolons, other columns, another order', `CSR;site;Device ID\n${base64};x;a\n`],
    ['tabs and CRLF', `device_id\tcsr\r\na\t${base64}\r\n`],
    ['a byte order mark and quoted header', `\uFEFF"deviceId","csr"\n"a","${base64}"`],
  ])('takes %s', async (_name, text) => {
    const { items } = await readAll(text);
    expect(items).toEqual([{ der: csrDer, deviceId: 'a', source: 'line 2' }]);
  });

  test('rejects bad rows in their places and goes on', async () => {
    const rows = ['deviceId,csr', `a,${base64}`, 'b', 'c,*', `d,"${'x'.repeat(200_000)}"`];
    rows.push(`"e ""1""",${base64}`, `"f,${base64}`);
    expect(await outline(rows.join('\n'))).toEqual([
      'ok line 2 a',
      'INPUT_NOT_A_CSR line 3 b',
      'CSR_DER_MALFORMED line 4 c',
      'CSR_TOO_LARGE line 5',
      'ok line 6 e "1"',
      'INPUT_NOT_A_CSR line 7',
    ]);
  });

  test('goes on behind a quote that is open for longer than a record may be', async () => {
    const filler = `${'x'.repeat(1000)}\n`.repeat(140);
    const text = `deviceId,csr\n"a,${base64}\n${filler}b,${base64}\n`;
    const lines = await outline(text, {}, [5000]);
    expect(lines[0]).toBe('CSR_TOO_LARGE line 2');
    expect(lines.at(-1)).toBe('ok line 143 b');
  });

  test('needs a csr column', async () => {
    expect(await outline('deviceId,key\na,b\n', { format: 'csv' })).toEqual([
      'INVALID_INPUT: line 1: the CSV header has no column "csr" (0 good requests before it)',
    ]);
  });
});

describe('DER', () => {
  test('is one request or several back to back', async () => {
    const { items } = await readAll(Buffer.concat([csrDer, otherDer, csrDer]), {}, [100]);
    expect(items.map(({ der, source }) => [Buffer.from(der), source])).toEqual([
      [csrDer, 'byte 0'],
      [otherDer, `byte ${String(csrDer.length)}`],
      [csrDer, `byte ${String(csrDer.length + otherDer.length)}`],
    ]);
  });

  test.each([
    ['PRIVATE_KEY_SUBMITTED', 'a private key', keyDer],
    ['INPUT_NOT_A_CSR', 'a certificate', certificateDer],
    ['CSR_DER_MALFORMED', 'a request cut short', csrDer.subarray(0, -1)],
    ['CSR_DER_MALFORMED', 'an indefinite length', Buffer.from('308030800000', 'hex')],
    ['CSR_DER_MALFORMED', 'zeros', Buffer.alloc(100)],
  ])('%s: %s', async (code, _name, der) => {
    expect(await outline(der, { format: 'der' })).toEqual([`${code} byte 0`]);
  });

  test('passes over a request over the limit', async () => {
    const large = Buffer.from(encodeSequence(Buffer.alloc(300_000)));
    const upload = Buffer.concat([csrDer, large, csrDer]);
    expect(await outline(upload)).toEqual([
      'ok byte 0',
      `CSR_TOO_LARGE byte ${String(csrDer.length)}`,
      `ok byte ${String(csrDer.length + large.length)}`,
    ]);
  });

  test('names octets behind a request, which are no request', async () => {
    const lines = await outline(Buffer.concat([csrDer, Buffer.from('garbage')]));
    expect(lines).toEqual(['ok byte 0', `CSR_DER_MALFORMED byte ${String(csrDer.length)}`]);
  });
});

describe('tar', () => {
  test('reads what is named like a request and nothing else', async () => {
    const skipped: string[] = [];
    const archive = await tarOf([
      ['./a/one.pem', csrPem],
      ['a/two.der', csrDer],
      ['a/device.key', keyPem],
      ['.hidden/x.pem', csrPem],
      ['b.ndjson', `${JSON.stringify({ deviceId: 'n', csr: base64 })}\nbad\n`],
      ['c.csr.gz', gzipSync(csrDer)],
      ['empty.pem', ''],
      ['../../escape\n.pem', csrPem],
      ['inner.tar', await tarOf([['x.pem', csrPem]])],
      ['README', 'hello'],
    ]);
    const options = { onSkipped: (path: string) => skipped.push(path) };
    expect(await outline(archive, options, [700])).toEqual([
      'ok a/one.pem:1',
      'ok a/two.der',
      'ok b.ndjson:1 n',
      'INPUT_NOT_A_CSR b.ndjson:2',
      'ok c.csr.gz',
      'INPUT_NOT_A_CSR empty.pem',
      'ok ../../escape?.pem:1',
      'INPUT_NOT_A_CSR inner.tar',
    ]);
    expect(skipped).toEqual(['a/device.key', '.hidden/x.pem', 'README']);
  });

  test('says that it is cut short and how many were good', async () => {
    const archive = await tarOf([
      ['a.der', csrDer],
      ['b.der', csrDer],
    ]);
    expect(await outline(archive.subarray(0, 1600))).toEqual([
      'ok a.der',
      'INVALID_INPUT: the tar archive is cut short or corrupt (1 good request before it)',
    ]);
  });
});

describe('compression', () => {
  const lines = `${JSON.stringify({ deviceId: 'a', csr: base64 })}\n`.repeat(3000);

  test.each([
    ['gzip', gzipSync(lines)],
    ['zstd', zstdCompressSync(lines)],
    ['gzip of gzip', gzipSync(gzipSync(lines))],
    [
      'two gzip members',
      Buffer.concat([gzipSync(lines.slice(0, 777)), gzipSync(lines.slice(777))]),
    ],
  ])('%s is seen by its first octets', async (_name, bytes) => {
    const { items, fault } = await readAll(bytes, {}, [999]);
    expect([items.length, fault]).toEqual([3000, undefined]);
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('%s that is cut short is a fault behind the good items', async (name, compress) => {
    // Random ids keep the data from shrinking to a single block.
    const ids = Array.from({ length: 3000 }, () => String(Math.random()));
    const whole = compress(ids.map((id) => `{"deviceId":"${id}","csr":"${base64}"}\n`).join(''));
    const { items, fault } = await readAll(whole.subarray(0, whole.length - 9));
    expect(items.length).toBeGreaterThan(name === 'gzip' ? 2900 : -1);
    expect(items.every((item) => item.rejection === undefined)).toBe(true);
    const count = `(${String(items.length)} good requests before it)`;
    expect(fault).toBe(`INVALID_INPUT: the ${name} data are cut short or corrupt ${count}`);
  });

  test('gzip with a wrong checksum is a fault', async () => {
    const bytes = gzipSync(csrPem);
    bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 1;
    const { fault } = await readAll(bytes);
    expect(fault).toMatch(/^INVALID_INPUT: the gzip data/);
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('a %s bomb is stopped', async (_name, compress) => {
    const { fault } = await readAll(compress(Buffer.alloc(64 * 1024 * 1024, 0x20)), {
      format: 'ndjson',
    });
    expect(fault).toMatch(/^LIMIT_EXCEEDED: the data grow more than 200 times/);
  });

  /** As `zstd --long=27` writes it, of a stream whose size is not known. */
  async function zstdOf(text: string, windowLog: number): Promise<Buffer> {
    const encoder = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: windowLog } });
    encoder.end(text);
    return Buffer.concat((await encoder.toArray()) as Buffer[]);
  }

  test('a zstd frame may ask for 8 MiB of memory and no more', async () => {
    const good = await readAll(await zstdOf(lines, 23));
    expect([good.items.length, good.fault]).toEqual([3000, undefined]);
    for (const windowLog of [24, 27]) {
      const { items, fault } = await readAll(await zstdOf(lines, windowLog));
      expect(items).toHaveLength(0);
      expect(fault).toBe(
        'LIMIT_EXCEEDED: the zstd data ask for a window of more than 8 MiB; compress them without --long and --ultra (0 good requests before it)',
      );
    }
    const entry = await readAll(gzipSync(await zstdOf(lines, 24)));
    expect(entry.fault).toMatch(/^LIMIT_EXCEEDED: the zstd data ask for a window/);
  });

  test('more than the absolute limit is stopped', async () => {
    const limits = { maxDecompressedBytes: 100_000, maxDecompressionRatio: 1e9 };
    const { fault } = await readAll(gzipSync(lines), { limits });
    expect(fault).toMatch(/^LIMIT_EXCEEDED: the data have more than 100000 octets/);
  });
});

describe('a stream', () => {
  test('that is empty has no items', async () => {
    expect(await outline('')).toEqual([]);
    expect(await outline('\n \n')).toEqual([]);
  });

  test('of requests of one line of any length is held in bounded memory', async () => {
    const piece = Buffer.alloc(64 * 1024, 0x41);
    let most = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('{"deviceId":"a","csr":"');
      for (let i = 0; i < 2000; i++) {
        yield await Promise.resolve(piece);
        most = Math.max(most, process.memoryUsage().arrayBuffers);
      }
      yield Buffer.from(`"}\n{"csr":"${base64}"}`);
    }
    const before = process.memoryUsage().arrayBuffers;
    const codes: (string | undefined)[] = [];
    for await (const items of readInput(endless())) {
      codes.push(...items.map((item) => item.rejection?.code));
    }
    expect(codes).toEqual(['CSR_TOO_LARGE', undefined]);
    expect(most - before).toBeLessThan(8 * 1024 * 1024);
  });

  test.each([
    ['plain', (text: string) => Buffer.from(text)],
    ['gzip', (text: string) => gzipSync(text, { level: 0 })],
    ['zstd', (text: string) => zstdCompressSync(text)],
  ])('is read no faster than it is iterated, and closed when left early (%s)', async (_n, send) => {
    const state = { pieces: 0, isClosed: false };
    const ids = Array.from({ length: 60_000 }, () => `{"deviceId":"${String(Math.random())}"}\n`);
    const bytes = send(ids.join(''));
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for await (const piece of streamOf(bytes, [2048])) {
          state.pieces++;
          yield piece;
        }
      } finally {
        state.isClosed = true;
      }
    }
    for await (const items of readInput(source())) {
      expect(items.length).toBeGreaterThan(0);
      await new Promise((resolve) => setImmediate(resolve));
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(state.pieces).toBeLessThan(100);
    expect(bytes.length / 2048).toBeGreaterThan(140);
    expect(state.isClosed).toBe(true);
  });

  test.each(['plain', 'gzip', 'tar'])('that breaks passes its error on (%s)', async (kind) => {
    const broken = new Error('socket hang up');
    const whole = kind === 'gzip' ? gzipSync(csrPem.repeat(50)) : Buffer.from(csrPem);
    const bytes = kind === 'tar' ? await tarOf([['a.pem', csrPem]]) : whole;
    async function* source(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 900);
      await Promise.resolve();
      throw broken;
    }
    const read = async (): Promise<void> => {
      for await (const items of readInput(source())) expect(items).toBeDefined();
    };
    await expect(read()).rejects.toBe(broken);
  });
});

test('a zip archive is refused unread', async () => {
  const zip = Buffer.concat([Buffer.from('PK\u0003\u0004'), Buffer.alloc(500)]);
  expect(await outline(zip)).toEqual(['CSR_DER_MALFORMED byte 0']);
});

test('the content shows the format where content type and name are wrong', async () => {
  const wrong = { contentType: 'text/csv', fileName: 'a.ndjson' };
  expect(await outline(csrPem, wrong)).toEqual(['ok line 1']);
  expect(await outline(csrDer, wrong)).toEqual(['ok byte 0']);
  expect(await outline(fixture('openssl/p256-new-header-text.pem'), {})).toEqual([
    expect.stringMatching(/^ok line \d+$/),
  ]);
});

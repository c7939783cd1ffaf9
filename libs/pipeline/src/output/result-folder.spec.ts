import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Result } from '../publish/read-results.js';
import { ResultFolder, type ResultFolderFormat } from './result-folder.js';
import { certificates } from './testing/certificates.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-results-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const [caDer, first, second, third] = certificates;
const results: readonly (readonly Result[])[] = [
  [
    { index: 0, deviceId: 'a', source: 'line 1', certificateDer: first },
    { index: 1, deviceId: '../b', source: 'line 2', certificateDer: second },
  ],
  [
    { index: 2, deviceId: 'c', source: 'line 3', rejection: { code: 'KEY_IN_USE', detail: 'x' } },
    { index: 3, deviceId: 'd', source: 'line 4', certificateDer: third },
  ],
];

async function write(format: ResultFolderFormat, chunks = results): Promise<unknown> {
  const output = await ResultFolder.open(folder, format, [caDer]);
  for (const chunk of chunks) await output.write(chunk);
  return output.finish();
}

const read = (name: string): Buffer => readFileSync(join(folder, name));

test.each(['pem', 'der'] as const)(
  '%s: one file per device, chain and rejections',
  async (format) => {
    expect(await write(format)).toEqual({ issued: 3, rejected: 1 });
    expect(readdirSync(folder).sort()).toEqual(
      [`%2e.%2fb.${format}`, `a.${format}`, 'chain.pem', `d.${format}`, 'rejections.ndjson'].sort(),
    );
    expect(new X509Certificate(read(`a.${format}`)).raw).toEqual(Buffer.from(first));
    expect(new X509Certificate(read('chain.pem')).raw).toEqual(Buffer.from(caDer));
    expect(read('rejections.ndjson').toString()).toBe(
      '{"index":2,"source":"line 3","deviceId":"c","code":"KEY_IN_USE","detail":"x"}\n',
    );
  },
);

test('ndjson: one file with index, device, serial number and PEM', async () => {
  await write('ndjson');
  const lines = read('certificates.ndjson').toString().trimEnd().split('\n');
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, string>);
  expect(parsed.map((line) => [line['index'], line['deviceId']])).toEqual([
    [0, 'a'],
    [1, '../b'],
    [3, 'd'],
  ]);
  const certificate = new X509Certificate(parsed[2]?.['certificate'] ?? '');
  expect(certificate.serialNumber.toLowerCase()).toBe(parsed[2]?.['serialNumber']);
  expect(certificate.raw).toEqual(Buffer.from(third));
});

test('p7b: openssl reads all certificates and the chain', async () => {
  await write('p7b');
  expect(readdirSync(folder).sort()).toEqual([
    'certificates.p7b',
    'chain.pem',
    'rejections.ndjson',
  ]);
  const path = join(folder, 'certificates.p7b');
  const options = ['pkcs7', '-inform', 'DER', '-in', path, '-print_certs'];
  const text = execFileSync('openssl', options).toString();
  expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(4);
});

test('writing the same again changes nothing and completes what is missing', async () => {
  await write('pem', results.slice(0, 1));
  const before = statSync(join(folder, 'a.pem'), { bigint: true });
  writeFileSync(join(folder, '.d.pem.part'), 'left by a run that was killed');
  expect(await write('pem')).toEqual({ issued: 3, rejected: 1 });
  expect(statSync(join(folder, 'a.pem'), { bigint: true })).toMatchObject({
    ino: before.ino,
    mtimeNs: before.mtimeNs,
  });
  expect(new X509Certificate(read('d.pem')).raw).toEqual(Buffer.from(third));
  expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
});

test('another certificate of the same device is not overwritten', async () => {
  await write('pem');
  const renewed = [[{ index: 0, deviceId: 'a', source: '', certificateDer: second }]];
  await expect(write('pem', renewed)).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(new X509Certificate(read('a.pem')).raw).toEqual(Buffer.from(first));
});

test('a run without rejections leaves none of an earlier one', async () => {
  await write('der');
  await write('der', results.slice(0, 1));
  expect(readdirSync(folder)).not.toContain('rejections.ndjson');
});

test.each(['ndjson', 'p7b'] as const)('%s that is given up leaves no file', async (format) => {
  const output = await ResultFolder.open(folder, format, [caDer]);
  for (const chunk of results) await output.write(chunk);
  await output.discard();
  expect(readdirSync(folder)).toEqual(['chain.pem']);
});

test('a folder that cannot be written to is a coded fault', async () => {
  writeFileSync(join(folder, 'file'), '');
  chmodSync(join(folder, 'file'), 0o444);
  await expect(ResultFolder.open(join(folder, 'file'), 'pem', [])).rejects.toMatchObject({
    code: 'INVALID_INPUT',
  });
});

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { rejectionCodeOf } from '@certmill/domain';
import { aProfile, examine } from '../validate/testing/a-csr.js';
import { derOf, fixture, interopFolder } from './testing/fixtures.js';
import { readAll } from './testing/read-all.js';

const tools = readdirSync(interopFolder).filter((name) => !name.endsWith('.md'));
const files = tools.flatMap((tool) =>
  readdirSync(join(interopFolder, tool))
    .filter((name) => !name.endsWith('.md'))
    .map((name) => `${tool}/${name}`),
);

test('there are requests of eight tools', () => {
  expect(tools).toHaveLength(8);
  expect(files.length).toBeGreaterThan(120);
});

test.each(files)('%s is one request, octet for octet', async (file) => {
  const bytes = fixture(file);
  const der = file.endsWith('.der') ? bytes : derOf(bytes.toString('latin1'));
  const { items } = await readAll(bytes, { fileName: file });
  expect(items.map((item) => [item.rejection, Buffer.from(item.der)])).toEqual([[undefined, der]]);
});

test('all of them in one stream are as many requests', async () => {
  const pems = files.filter((file) => file.endsWith('.pem')).map(fixture);
  const { items } = await readAll(gzipSync(Buffer.concat(pems)), {}, [1000]);
  expect(items.filter((item) => item.rejection === undefined)).toHaveLength(pems.length);
  expect(items).toHaveLength(pems.length);
});

async function expectJudgedByTlsClient(file: string): Promise<void> {
  const { items } = await readAll(fixture(file));
  const requests = items.map((item) => item.der);
  const { codes, details, deviceIds } = examine(requests, aProfile({}, 'tls-client'));
  const isRefused = /-(?:sha1|md5)\./.test(file);
  expect([codes.map(rejectionCodeOf), details]).toEqual(
    isRefused ? [['CSR_SIGALG_FORBIDDEN'], [expect.any(String)]] : [[undefined], ['']],
  );
  const [tool = '', name = ''] = file.split('/');
  if (!isRefused) {
    expect(deviceIds).toEqual([`${tool}-${name.replace('.pem', '').replace('.', '-')}`]);
  }
}

test.each(files)(
  'tls-client as it ships accepts %s, or refuses its SHA-1 or MD5',
  expectJudgedByTlsClient,
);

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
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

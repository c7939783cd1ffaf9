import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BSON, type Binary } from 'mongodb';
import { decodeEntry } from './journal/entry-codec.js';
import { storeFormat } from './meta.js';
import { goldenFolder, goldenFormats } from './testing/golden-store.js';

/** Of the files of each format, name and content: fixtures are added, never edited. */
const pinned: Readonly<Record<string, string>> = {
  1: '4fc7dfd4895e9341f72a412917540114dbfc9753558c5122b6951d4b0edcfb26',
};

function digestOf(format: string): string {
  const folder = join(goldenFolder, format);
  const files = readdirSync(folder).sort();
  return hash(
    'sha256',
    JSON.stringify(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')])),
  );
}

test('each format up to that of this release has a golden store, which is as it was', () => {
  const formats = Array.from({ length: storeFormat }, (_, i) => String(i + 1));
  expect(goldenFormats()).toEqual(formats);
  expect(Object.fromEntries(formats.map((format) => [format, digestOf(format)]))).toEqual(pinned);
});

test.each(goldenFormats())('entries of the journal of format %s are read', (format) => {
  const text = readFileSync(join(goldenFolder, format, 'journal.ejson'), 'utf8');
  const entries = text.trimEnd().split('\n');
  const kinds = new Set<string>();
  for (const line of entries) {
    const { head, body } = BSON.EJSON.parse(line, { relaxed: false }) as Record<string, Binary>;
    const { items } = decodeEntry({ head: bytesOf(head), body: bytesOf(body) });
    for (const { kind } of items) kinds.add(kind);
  }
  expect([...kinds].sort()).toEqual(['claim-release', 'decision', 'giving-back']);
});

function bytesOf(binary: Binary | undefined): Uint8Array {
  return new Uint8Array(binary?.buffer ?? []);
}

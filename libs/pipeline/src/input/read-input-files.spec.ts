import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { readInputs } from './read-input-files.js';
import { csrDer, csrPem } from './testing/fixtures.js';
import { streamOf } from './testing/read-all.js';

let folder = '';
const skipped: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-inputs-'));
  skipped.length = 0;
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function put(path: string, content: string | Uint8Array): void {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), content);
}

async function outline(...paths: readonly string[]): Promise<readonly string[]> {
  const lines: string[] = [];
  const options = {
    stdin: streamOf(Buffer.from(csrPem)),
    workingDirectory: folder,
    onSkipped: (path: string) => skipped.push(path),
  };
  const named = paths.map((path) => (path === '-' ? path : join(folder, path)));
  for await (const items of readInputs(named, options)) {
    lines.push(...items.map((item) => `${item.rejection?.code ?? 'ok'} ${item.source}`));
  }
  return lines;
}

test('a folder is walked in depth and order; keys and hidden files are passed over', async () => {
  put('csrs/b/2.pem', csrPem + csrPem);
  put('csrs/b/1.der', csrDer);
  put('csrs/b/1.key', 'key');
  put('csrs/a.CSR', csrPem);
  put('csrs/c.ndjson.gz', gzipSync(JSON.stringify({ csr: csrPem })));
  put('csrs/d.pem.zst', zstdCompressSync(csrPem));
  put('csrs/e.pem', '');
  put('csrs/.hidden.pem', csrPem);
  put('csrs/.git/x.pem', csrPem);
  put('csrs/notes.txt', 'hello');
  symlinkSync('..', join(folder, 'csrs/loop.pem'));
  const second = csrPem.split('\n').length;
  expect(await outline('csrs')).toEqual([
    'ok csrs/a.CSR:1',
    'ok csrs/b/1.der',
    'ok csrs/b/2.pem:1',
    `ok csrs/b/2.pem:${String(second)}`,
    'ok csrs/c.ndjson.gz:1',
    'ok csrs/d.pem.zst:1',
    'INPUT_NOT_A_CSR csrs/e.pem',
  ]);
  expect(skipped).toEqual(['csrs/b/1.key', 'csrs/loop.pem', 'csrs/notes.txt']);
});

test('files named in person are read as given, whatever their names; - is stdin', async () => {
  put('z.txt', csrPem);
  put('.a', csrDer);
  expect(await outline('z.txt', '-', '.a')).toEqual(['ok z.txt:1', 'ok stdin:1', 'ok .a']);
});

test.each([
  ['missing.pem', /^missing\.pem: there is no such file$/],
  ['csrs', /^csrs\/bad\.csv: line 1: the CSV header has no column "csr"/],
  ['dangling', /^dangling\/x\.pem: there is no such file$/],
])('%s fails by its name', async (path, message) => {
  put('csrs/bad.csv', 'a,b\n1,2\n');
  mkdirSync(join(folder, 'dangling'));
  symlinkSync('nowhere', join(folder, 'dangling/x.pem'));
  await expect(outline(path)).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringMatching(message) as string,
  });
});

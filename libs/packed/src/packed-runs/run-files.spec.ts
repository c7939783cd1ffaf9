import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FaultCode } from '@certmill/domain';
import { PackedMap } from './packed-map.js';
import { PackedMultiMap } from './packed-multi-map.js';
import { sealPage } from './page.js';
import { PageCache } from './page-cache.js';
import { startRunWriter } from './run-writer.js';

const writer = startRunWriter();
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-run-files-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});
afterAll(() => writer.stop());

const count = 1000;
const keys = Buffer.concat(
  Array.from({ length: count }, (_, i) => hash('md5', String(i), 'buffer')),
);

function options(runs: readonly string[]) {
  return { directory: folder, runs, writer, pageCache: new PageCache(64 * 1024), fanOut: 2 };
}

async function flushed(map: PackedMap): Promise<readonly string[]> {
  for (let i = 0; i < count; i += 1) map.put(keys, i * 16, 1, i);
  map.adopt(await map.flush(count));
  return map.runs;
}

/** A folder with one run of all keys. */
async function oneRun(): Promise<readonly string[]> {
  const map = new PackedMap(options([]));
  const runs = await flushed(map);
  await map.close();
  return runs;
}

/** Opens the map and reads every key. */
function readAll(runs: readonly string[]): void {
  const map = new PackedMap(options(runs));
  try {
    const value = { high: 0, low: 0 };
    for (let i = 0; i < count; i += 1) {
      expect(map.get(keys, i * 16, value) && value.low === i).toBe(true);
    }
  } finally {
    void map.close();
  }
}

const corrupt = withCode('FAULT_STORE_CORRUPT');

function withCode(code: FaultCode): Error {
  return expect.objectContaining({ code }) as Error;
}

describe('run files', () => {
  it('are found damaged wherever one bit is turned over', async () => {
    const runs = await oneRun();
    const path = join(folder, runs[0]!);
    const intact = readFileSync(path);
    readAll(runs);
    for (let at = 1; at < intact.length; at += 211) {
      const damaged = Buffer.from(intact);
      damaged[at]! ^= 1 << (at % 8);
      writeFileSync(path, damaged);
      expect(() => readAll(runs)).toThrow(corrupt);
    }
  });

  it('are found cut short at any length, and too long', async () => {
    const runs = await oneRun();
    const path = join(folder, runs[0]!);
    const intact = readFileSync(path);
    for (const length of [0, 1, 4095, 4096, 8192, intact.length - 4, intact.length - 1]) {
      writeFileSync(path, intact);
      truncateSync(path, length);
      expect(() => readAll(runs)).toThrow(corrupt);
    }
    writeFileSync(path, Buffer.concat([intact, Buffer.alloc(1)]));
    expect(() => readAll(runs)).toThrow(corrupt);
  });

  it('are never merged when damaged', async () => {
    const map = new PackedMap(options([]));
    await flushed(map);
    const runs = await flushed(map);
    const path = join(folder, runs[0]!);
    const damaged = readFileSync(path);
    damaged[5000]! ^= 4;
    writeFileSync(path, damaged);
    await expect(map.merge()).rejects.toThrow(corrupt);
    expect(readdirSync(folder).sort()).toEqual(runs);
    await map.close();
  });

  it('of a newer format are refused as such', async () => {
    const runs = await oneRun();
    const path = join(folder, runs[0]!);
    const file = readFileSync(path);
    const words = new Int32Array(1024);
    const page = new Uint8Array(words.buffer);
    page.set(file.subarray(0, 4096));
    words[1] = 2;
    sealPage(words, page, 0, 0);
    file.set(page);
    writeFileSync(path, file);
    expect(() => readAll(runs)).toThrow(withCode('DATA_FORMAT_UNSUPPORTED'));
  });

  it('that are on the list and missing, or of another kind, stop the start', async () => {
    const runs = await oneRun();
    expect(() => new PackedMultiMap(options(runs))).toThrow(corrupt);
    rmSync(join(folder, runs[0]!));
    expect(() => new PackedMap(options(runs))).toThrow(corrupt);
  });

  it('that are not on the list are removed at the start, other files are not', async () => {
    const runs = await oneRun();
    copyFileSync(join(folder, runs[0]!), join(folder, '0000000099.run'));
    writeFileSync(join(folder, 'README'), '');
    readAll(runs);
    expect(readdirSync(folder).sort()).toEqual([...runs, 'README']);
  });

  it('stay until the list without them is adopted, and go then', async () => {
    const map = new PackedMap(options([]));
    await flushed(map);
    const before = await flushed(map);
    const merge = await map.merge();
    expect(readdirSync(folder).sort()).toEqual([...before, merge?.added]);
    map.adopt(merge!);
    await map.close();
    expect(readdirSync(folder)).toEqual([merge?.added]);
    readAll([merge!.added]);
  });

  it('that could not be recorded stay until the next start: it may have worked', async () => {
    const map = new PackedMap(options([]));
    await flushed(map);
    const before = await flushed(map);
    const merge = await map.merge();
    expect(map.mergeDue).toBe(false);
    map.discard(merge!);
    expect(map.mergeDue).toBe(true);
    await map.close();
    expect(readdirSync(folder).sort()).toEqual([...before, merge!.added]);
    readAll([merge!.added]);
    expect(readdirSync(folder)).toEqual([merge!.added]);
    expect(() => map.adopt(merge!)).toThrow(withCode('CONFLICT'));
  });

  it('that cannot be written leave the entries readable and the flush due', async () => {
    const map = new PackedMap(options([]));
    for (let i = 0; i < count; i += 1) map.put(keys, i * 16, 1, i);
    renameSync(folder, `${folder}.gone`);
    await expect(map.flush(count)).rejects.toMatchObject({ code: 'FAULT_STORE_DOWN' });
    const value = { high: 0, low: 0 };
    expect(map.get(keys, 16, value) && value.low).toBe(1);
    expect(map.flushDue).toBe(true);
    renameSync(`${folder}.gone`, folder);
    // What came after the failure is not part of the flush: its position says so.
    map.put(keys, 0, 9, 9);
    const change = await map.flush(count + 1);
    expect(change.position).toBe(count);
    map.adopt(change);
    expect(map.stats()).toMatchObject({ entriesInMemory: 1, entriesInRuns: count });
    expect(existsSync(join(folder, change.added))).toBe(true);
    await map.close();
  });
});

describe('the run writer', () => {
  it('fails what is in hand when it is stopped', async () => {
    const stopping = startRunWriter();
    const map = new PackedMap({ ...options([]), writer: stopping });
    map.put(keys, 0, 1, 1);
    const refused = expect(map.flush(1)).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
    await stopping.stop();
    await refused;
    await map.close();
  });
});

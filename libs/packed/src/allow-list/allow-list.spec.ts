import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import type { AllowListRow } from '@certmill/ports';
import { openAllowList, type AllowList } from './allow-list.js';
import { buildAllowList } from './build-allow-list.js';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-allow-list-'));
  file = join(folder, 'one.list');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function* streamed(rows: Iterable<AllowListRow>): AsyncGenerator<AllowListRow> {
  await Promise.resolve();
  yield* rows;
}

async function listOf(rows: Iterable<AllowListRow>): Promise<AllowList> {
  await buildAllowList(file, streamed(rows));
  return openAllowList(file);
}

function udidOf(name: string): Buffer {
  return hash('sha256', name, 'buffer');
}

const noUdid = new Uint8Array(32);
const aDevice = (i: number): AllowListRow => ({
  deviceId: `device-${String(i)}`,
  udid: udidOf(String(i)).toString('hex'),
  serial: `S${String(i)}`,
});

describe('an allow-list', () => {
  it('gives back each row exactly as it came, with every set of absent fields', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }).filter((one) => one.isWellFormed()),
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.constantFrom('', 'x'.repeat(255), '\u{1f600}'.repeat(63), '\0'),
    );
    const short = fc.nat(0xffff).map((n) => n.toString(16).toUpperCase().padStart(4, '0'));
    const udid = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('hex'));
    const fields = {
      deviceId: text.filter((one) => one !== '' && Buffer.byteLength(one) <= 128),
      udid,
      serial: text,
      model: text,
      vendorId: short,
      productId: short,
      site: text,
    };
    const row = fc
      .oneof(
        fc.record(fields, { requiredKeys: ['deviceId'] }),
        fc.record(fields, { requiredKeys: ['udid'] }),
      )
      .map((one): AllowListRow => one);
    const rows = fc.uniqueArray(row, {
      maxLength: 60,
      // Two rows are the same device where either id is equal.
      comparator: (a, b) =>
        (a.deviceId !== undefined && a.deviceId === b.deviceId) ||
        (a.udid !== undefined && a.udid === b.udid),
    });
    await fc.assert(
      fc.asyncProperty(rows, async (all) => {
        const list = await listOf(all);
        expect(list.devices).toBe(all.length);
        for (const one of all) {
          if (one.deviceId !== undefined) {
            expect(list.lookUp(one.deviceId, noUdid)).toEqual(one);
          }
          if (one.udid !== undefined) {
            expect(list.lookUp(undefined, Buffer.from(one.udid, 'hex'))).toEqual(one);
          }
        }
        list.close();
      }),
      { numRuns: 60, seed: 20260104 },
    );
  });

  it('finds 200,000 devices in random order, by either id, and no other', async () => {
    const count = 200_000;
    function* rows(): Generator<AllowListRow> {
      for (let i = 0; i < count; i += 1) yield aDevice(i);
    }
    const list = await listOf(rows());
    await list.load();
    expect(list.devices).toBe(count);
    expect(list.indexBytes / count).toBeLessThan(16);
    let wrong = 0;
    for (let step = 0, i = 0; step < count; step += 1, i = (i + 76_543) % count) {
      const id = `device-${String(i)}`;
      const row = step % 2 === 0 ? list.lookUp(id, noUdid) : list.lookUp('?', udidOf(String(i)));
      if (row?.serial !== `S${String(i)}` || row.deviceId !== id) wrong += 1;
    }
    for (let i = count; i < count + 20_000; i += 1) {
      if (list.lookUp(`device-${String(i)}`, udidOf(String(i))) !== undefined) wrong += 1;
    }
    expect(wrong).toBe(0);
    list.close();
  });

  it('finds by device id first, and by UDID where that is not on the list', async () => {
    const list = await listOf([aDevice(1), aDevice(2)]);
    expect(list.lookUp('device-1', udidOf('2'))?.serial).toBe('S1');
    expect(list.lookUp('device-3', udidOf('2'))?.serial).toBe('S2');
    expect(list.lookUp(undefined, udidOf('3'))).toBeUndefined();
    expect(list.lookUp(undefined, new Uint8Array(31))).toBeUndefined();
    list.close();
  });

  it('matches no device id that is only equal as UTF-8, nor one that is too long', async () => {
    const list = await listOf([{ deviceId: '\ufffd' }, { deviceId: 'x'.repeat(128) }]);
    expect(list.lookUp('\ufffd', noUdid)).toBeDefined();
    expect(list.lookUp('\ud800', noUdid)).toBeUndefined();
    expect(list.lookUp('x'.repeat(128), noUdid)).toBeDefined();
    expect(list.lookUp('x'.repeat(129), noUdid)).toBeUndefined();
    list.close();
  });

  it('may be empty', async () => {
    const list = await listOf([]);
    expect(list.devices).toBe(0);
    expect(list.lookUp('device-1', noUdid)).toBeUndefined();
    list.close();
  });

  it('keeps a UDID given in upper case in lower case', async () => {
    const udid = udidOf('1').toString('hex');
    const list = await listOf([{ udid: udid.toUpperCase() }]);
    expect(list.lookUp(undefined, udidOf('1'))).toEqual({ udid });
    list.close();
  });
});

describe('an import', () => {
  const many = Array.from({ length: 3000 }, (_, i) => aDevice(i));
  const udid = udidOf('1').toString('hex');

  it.each<[string, readonly AllowListRow[], string]>([
    [
      'a device id twice, pages apart',
      [...many, { deviceId: 'device-7' }, { deviceId: 'device-6' }],
      "row 3001: device id 'device-7' is on row 8 already",
    ],
    [
      'a UDID twice',
      [...many, { deviceId: 'other', udid: udid.toUpperCase() }],
      `row 3001: UDID '${udid}' is on row 2 already`,
    ],
    ['a row with neither id', [aDevice(1), { serial: 'S' }], 'row 2 has neither a device id nor'],
    ['an empty device id', [{ deviceId: '' }], "row 1: deviceId '' is empty"],
    ['a long device id', [{ deviceId: '\u00e9'.repeat(65) }], 'longer than 128 octets'],
    ['a long text', [{ deviceId: 'a', site: 'x'.repeat(256) }], 'longer than 255 octets'],
    ['half a surrogate pair', [{ deviceId: 'a\ud800' }], 'is not valid Unicode'],
    ['a short UDID', [{ udid: 'abcd' }], "row 1: udid 'abcd' must be 64 hex digits"],
    ['a lower-case VID', [{ deviceId: 'a', vendorId: 'fff1' }], 'must be 4 upper-case hex digits'],
  ])('of %s is refused and leaves no file', async (_, rows, message) => {
    await expect(buildAllowList(file, streamed(rows))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(message) as string,
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of more devices than allowed is refused and leaves no file', async () => {
    expect(await buildAllowList(file, streamed([aDevice(1), aDevice(2)]), 2)).toBe(2);
    rmSync(file);
    const rows = streamed([aDevice(1), aDevice(2), aDevice(3)]);
    await expect(buildAllowList(file, rows, 2)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: 'an allow-list holds up to 2 devices: open a further order for the others',
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('whose source breaks off leaves the list that was there as it was', async () => {
    (await listOf([aDevice(1)])).close();
    const before = readFileSync(file);
    async function* broken(): AsyncGenerator<AllowListRow> {
      yield* streamed(many);
      throw new Error('connection lost');
    }
    await expect(buildAllowList(file, broken())).rejects.toThrow('connection lost');
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(readdirSync(folder)).toEqual(['one.list']);
  });

  it('on a full disk says FAULT_DISK_FULL and leaves no file', async () => {
    const built = JSON.stringify(new URL('./build-allow-list.js', import.meta.url));
    const program = `import(${built}).then(async ({ buildAllowList }) => {
      async function* rows() { for (let i = 0; i < 50_000; i += 1) yield { deviceId: String(i) }; }
      await buildAllowList(${JSON.stringify(file)}, rows()).catch((e) => console.log(e.code));
    });`;
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'ulimit -f 40; exec "$@"',
      'sh',
      process.execPath,
      '--eval',
      program,
    ]);
    expect(stdout.trim()).toBe('FAULT_DISK_FULL');
    expect(existsSync(file)).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('into a folder that is not there is FAULT_STORE_DOWN', async () => {
    const nowhere = join(folder, 'nowhere', 'one.list');
    await expect(buildAllowList(nowhere, streamed([]))).rejects.toMatchObject({
      code: 'FAULT_STORE_DOWN',
    });
  });
});

describe('a damaged allow-list file', () => {
  const count = 500;
  const corrupt = expect.objectContaining({ code: 'FAULT_STORE_CORRUPT' }) as Error;

  function readAll(): void {
    const list = openAllowList(file);
    try {
      for (let i = 0; i < count; i += 1) {
        expect(list.lookUp(`device-${String(i)}`, noUdid)).toEqual(aDevice(i));
      }
    } finally {
      list.close();
    }
  }

  beforeEach(async () => {
    (await listOf(Array.from({ length: count }, (_, i) => aDevice(i)))).close();
    readAll();
  });

  it('is found wherever one bit is turned over', () => {
    const intact = readFileSync(file);
    for (let at = 1; at < intact.length; at += 257) {
      const damaged = Buffer.from(intact);
      damaged[at]! ^= 1 << (at % 8);
      writeFileSync(file, damaged);
      expect(() => readAll()).toThrow(corrupt);
    }
  });

  it('is found at any length but its own', () => {
    const intact = readFileSync(file);
    for (const length of [0, 1, 4096, 8192, intact.length - 1, intact.length + 1]) {
      writeFileSync(file, intact);
      truncateSync(file, length);
      expect(() => readAll()).toThrow(corrupt);
    }
  });
});

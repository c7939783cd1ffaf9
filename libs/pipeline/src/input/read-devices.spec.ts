import { constants, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import type { AllowListRow } from '@certmill/ports';
import { readDevices, type DeviceListFormat } from './read-devices.js';
import { streamOf } from './testing/read-all.js';

fc.configureGlobal({ seed: 20261123 });

const udid = 'ab'.repeat(32);

async function rowsOf(
  text: string | Uint8Array,
  format?: DeviceListFormat,
  cuts?: readonly number[],
): Promise<readonly AllowListRow[]> {
  return Array.fromAsync(readDevices(streamOf(Buffer.from(text), cuts), format));
}

test('CSV with a header gives the rows in one spelling', async () => {
  const text = [
    '\uFEFFDevice ID,key-hash,serial_number,model,VID,pid,Factory',
    `a,${udid.toUpperCase().replace(/..(?=.)/g, '$&:')},"S ""1""",M,0xfff1,800a,F1`,
    '',
    'b,,,,,,',
    `,${udid}`,
  ].join('\r\n');
  expect(await rowsOf(text)).toEqual([
    {
      deviceId: 'a',
      udid,
      serial: 'S "1"',
      model: 'M',
      vendorId: 'FFF1',
      productId: '800A',
      site: 'F1',
    },
    { deviceId: 'b' },
    { udid },
  ]);
});

test('NDJSON gives the same rows, plain and compressed', async () => {
  const text = `{"deviceId":"a","vid":"fff1","model":null}\n\n{"udid":"${udid}"}`;
  const rows = [{ deviceId: 'a', vendorId: 'FFF1' }, { udid }];
  expect(await rowsOf(text)).toEqual(rows);
  expect(await rowsOf(gzipSync(text))).toEqual(rows);
  expect(await rowsOf(zstdCompressSync(text))).toEqual(rows);
  const wide = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: 27 } }).end(text);
  const bytes = Buffer.concat((await wide.toArray()) as Buffer[]);
  await expect(rowsOf(bytes)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});

test.each([
  ['deviceId,udidd\na,b', 'line 1: "udidd" is not a field of an allow-list'],
  ['__proto__\na', 'line 1: "__proto__" is not a field'],
  ['deviceId,id\na,b', 'line 2: deviceId stands twice'],
  ['deviceId\nok\na,b', 'line 3: more cells than the header'],
  ['serial\nok', 'line 2: neither deviceId nor udid is given'],
  [`udid\n${udid}\n${udid.slice(1)}`, 'line 3: udid is not 64 hex digits'],
  ['id,vid\na,12345', 'line 2: vendorId is not 4 hex digits'],
  ['id,pid\na,xyz1', 'line 2: productId is not 4 hex digits'],
  [`id\n${'x'.repeat(129)}`, 'line 2: the device id has more than 128 octets'],
  ['id\na\u0007', 'line 2: the device id has control characters'],
  [`id,model\na,${'m'.repeat(65)}`, 'line 2: model has more than 64 characters'],
  ['id,site\na,"x\ny"', 'line 2: site has control characters'],
  [`id\n${'x'.repeat(20_000)}`, 'line 2: the row has more than 16384 octets'],
  ['id\n"a', 'line 2: a quote is not closed'],
  [Buffer.from('id\n\u00e4', 'latin1'), 'line 2: the row is not UTF-8'],
  ['{"id":"a"}\n{"id":5}', 'line 2: deviceId is not a text'],
  ['{"id":"a"}\n[]', 'line 2: the line is not a JSON object'],
  ['{"id":"a"}\n{', 'line 2: the line is not a JSON object'],
  ['{"id":"a","x":"b"}', 'line 1: "x" is not a field'],
])('%j is refused with line and reason', async (text, message) => {
  await expect(rowsOf(text)).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining(message) as string,
  });
});

test('what is written as CSV is read back, however the stream is cut', async () => {
  const text = fc
    .string({ unit: 'grapheme-composite', minLength: 1, maxLength: 20 })
    .map((value) => value.replace(/\p{Cc}/gu, '').trim())
    .filter((value) => value !== '' && value.isWellFormed());
  const row = fc.record({ deviceId: text, serial: text, site: text });
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      async (rows, cuts) => {
        const cells = (values: readonly string[]): string =>
          values.map((value) => `"${value.replaceAll('"', '""')}"`).join(',');
        const lines = rows.map(({ deviceId, serial, site }) => cells([deviceId, serial, site]));
        const csv = ['deviceId,serial,site', ...lines].join('\n');
        expect(await rowsOf(csv, 'csv', cuts)).toEqual(rows);
        const json = rows.map((value) => JSON.stringify(value)).join('\n');
        expect(await rowsOf(json, 'ndjson', cuts)).toEqual(rows);
      },
    ),
    { numRuns: 200 },
  );
});

import { certificatePkcs7 } from './encode-pkcs7.js';
import { certificateZip } from './encode-zip.js';
import type { ResultGroup } from './result-groups.js';

const groupOf = (chunkNumber: number): ResultGroup => {
  const certificateDer = Uint8Array.of(0x30, 1, chunkNumber);
  const place = { index: chunkNumber, deviceId: `device-${chunkNumber}`, source: '' };
  return { chunkNumber, certificates: [certificateDer], results: [{ ...place, certificateDer }] };
};

async function* eachOf(chunks: readonly number[]): AsyncGenerator<ResultGroup> {
  for (const chunk of chunks) yield await Promise.resolve(groupOf(chunk));
}

const formats = {
  zip: (read: () => AsyncIterable<ResultGroup>) => certificateZip(read, 'chain'),
  p7b: (read: () => AsyncIterable<ResultGroup>) => certificatePkcs7(read, [Uint8Array.of(1)]),
};

async function octetsOf(
  format: keyof typeof formats,
  readings: readonly (readonly number[])[],
): Promise<number> {
  const left = [...readings];
  let octets = 0;
  for await (const part of formats[format](() => eachOf(left.shift() ?? []))) octets += part.length;
  return octets;
}

describe.each(['zip', 'p7b'] as const)('a %s, whose results are read twice', (format) => {
  it('is written where both readings are the same', async () => {
    expect(await octetsOf(format, [[1, 2], [1, 2]])).toBeGreaterThan(6); // prettier-ignore
  });

  it.each([[[0, 1, 2]], [[1]]])('is cut where the second one has the chunks %j', async (second) => {
    await expect(octetsOf(format, [[1, 2], second])).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

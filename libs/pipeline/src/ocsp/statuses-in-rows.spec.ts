import { crlShardOf, type CertificateStatus } from '@certmill/domain';
import type { CrlScope, RevokedCertificate } from '@certmill/ports';
import { statusesInRows, type NumberedCertificate } from './statuses-in-rows.js';

const batchId = '00000000112233445566778899';
const revoked = { state: 'revoked', reason: 'superseded', atMs: 5 } as const;

/** In no order of their indexes, as a cipher makes them. */
function serialOf(index: number): Uint8Array {
  const serialNumber = new Uint8Array(20).fill(1);
  new DataView(serialNumber.buffer).setUint32(16, (index * 2_654_435_761) >>> 0);
  return serialNumber;
}

/** Rows of a batch's indexes, by shard, and how many were read. */
function rowsOf(indexes: readonly number[], shards: number) {
  const counts = { calls: 0, rows: 0 };
  const rowOf = (index: number): RevokedCertificate => ({
    serialNumber: serialOf(index),
    revokedAtMs: 5,
    reason: 'superseded',
    notAfterMs: 9,
  });
  return {
    counts,
    listRevoked: (
      { issuer, shard }: CrlScope,
      { limit, after }: { readonly limit: number; readonly after?: Uint8Array },
    ) => {
      const rows = indexes
        .filter((index) => issuer === 'ca' && crlShardOf(batchId, index, shards) === shard)
        .map(rowOf)
        .filter(({ serialNumber }) => Buffer.compare(serialNumber, after ?? Buffer.of()) > 0)
        .sort((one, other) => Buffer.compare(one.serialNumber, other.serialNumber))
        .slice(0, limit);
      counts.calls += 1;
      counts.rows += rows.length;
      return Promise.resolve(rows);
    },
  };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);
const numbered = (index: number): NumberedCertificate => ({ index, serialNumber: serialOf(index) });

test.each([
  ['none', [], 1],
  ['one', [1_030], 1],
  ['the first and the last', [1_000, 1_255], 1],
  ['all of them and many others', range(0, 4_000), 1],
  ['some, over two shards', range(0, 2_000).filter((index) => index % 3 === 0), 4],
])('of a chunk is told what rows say: %s', async (_, indexes, shards) => {
  const chunk = range(1_000, 1_256);
  const rows = rowsOf(indexes, shards);
  const found = await statusesInRows(rows, 'ca', shards, batchId, chunk.map(numbered));
  const told = chunk.filter((index) => indexes.includes(index));
  expect([...found.keys()].sort((a, b) => a - b)).toEqual(told);
  for (const status of found.values()) expect(status).toEqual<CertificateStatus>(revoked);
});

test('few rows are one call, and of many those between are not read', async () => {
  const few = rowsOf(range(0, 200), 1);
  await statusesInRows(few, 'ca', 1, batchId, range(0, 256).map(numbered));
  expect(few.counts).toEqual({ calls: 1, rows: 200 });
  const many = rowsOf(range(0, 20_000), 1);
  await statusesInRows(many, 'ca', 1, batchId, [1, 2].map(numbered));
  expect(many.counts.calls).toBe(2);
});

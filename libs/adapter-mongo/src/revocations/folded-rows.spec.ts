import { FoldedRows } from './folded-rows.js';
import { encodeRows, type ScopeRow } from './row-codec.js';
import { digestOfBlock } from './scope-seals.js';
import { compareRows, type ScopeTail } from './scope-tails.js';

const hexOf = (serialNumber: Uint8Array): string => Buffer.from(serialNumber).toString('hex');

function serialOf(n: number): Uint8Array {
  const serialNumber = new Uint8Array(20);
  new DataView(serialNumber.buffer).setUint32(16, n);
  return serialNumber;
}

const aRow = (n: number, change: number): ScopeRow => ({
  ...{ serialNumber: serialOf(n), change, reason: 'superseded', revokedAtMs: 1, notAfterMs: 2 },
});

describe('the rows of a scope', () => {
  /** Each fifth number from 10 on in blocks of three, and each seventh behind them. */
  const inBlocks = Array.from({ length: 12 }, (_, i) => aRow(10 + 5 * i, i));
  const behind = Array.from({ length: 11 }, (_, i) => aRow(7 * i, 100 + i)).sort(compareRows);
  const blocks = [0, 3, 6, 9].map((at) => inBlocks.slice(at, at + 3));
  const encoded = blocks.map((rows) => encodeRows(rows));

  function aTail(): ScopeTail {
    const snapshot = {
      ...{ id: 's', upTo: 1, rows: 12, changes: 12, head: '', seal: '' },
      firsts: blocks.map(([first]) => hexOf(first?.serialNumber ?? serialOf(0))),
      digests: encoded.map((rows) => digestOfBlock(rows)),
    };
    const applied = { applied: 2, changes: 23, changedAtMs: 1, head: '', seal: '' };
    const scope = { _id: 'dev/0', issuer: 'dev', shard: 0, intended: 2, ...applied, snapshot };
    return { scope, rows: behind, end: 2, head: '', changes: 23 };
  }

  function foldedOf(stored: readonly (Uint8Array | undefined)[]): FoldedRows {
    const get = (id: string) => {
      const rows = stored[Number(id.slice('dev/0/s/'.length))];
      return Promise.resolve(rows && { _id: id, rows });
    };
    return new FoldedRows({ get } as never);
  }

  test('are found by their serial numbers, the latest of each', async () => {
    const latest = new Map([...inBlocks, ...behind].map((row) => [hexOf(row.serialNumber), row]));
    const all = Array.from({ length: 90 }, (_, n) => serialOf(n));
    for (const wanted of [all, ...all.map((serialNumber) => [serialNumber])]) {
      const found = await foldedOf(encoded).find(aTail(), wanted);
      const expected = wanted.map(hexOf).flatMap((hex) => latest.get(hex) ?? []);
      expect([...(found ?? [])].sort()).toEqual(
        expected.map((row) => [hexOf(row.serialNumber), row]).sort(),
      );
    }
  });

  test('are not told where a block of theirs has gone, and refused where it is another', async () => {
    const [first, , third, fourth] = encoded;
    const gone = foldedOf([first, undefined, third, fourth]);
    expect(await gone.find(aTail(), [serialOf(30)])).toBeUndefined();
    expect((await gone.find(aTail(), [serialOf(10), serialOf(45)]))?.size).toBe(2);
    await expect(
      foldedOf([first, third, third, fourth]).find(aTail(), [serialOf(30)]),
    ).rejects.toMatchObject({ code: 'FAULT_STATUS_FORGED' });
  });
});

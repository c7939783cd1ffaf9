import { HalfSipHash } from './half-sip-hash.js';

/** The reference vectors for key 00 01 .. 07, message 00 01 .. of the given length. */
const vectors: readonly [number, string][] = [
  [0, '218d1f59b9b83cc8'],
  [1, 'be552412f8387315'],
  [2, '064f39ef7c50eb57'],
  [3, 'ce0f1a45f7060679'],
  [4, 'd5e78a175be52ea1'],
  [7, 'ff202728b07bc684'],
  [8, 'edfee820bce4858c'],
  [32, '28709d46d811626c'],
  [63, '2ea63c71bf326087'],
];

function digestOf(length: number): string {
  const hash = new HalfSipHash([0x03020100, 0x07060504]);
  const message = Uint8Array.from({ length: length + 2 }, (_, i) => i - 1);
  hash.digest(message, 1, 1 + length);
  const bytes = Buffer.alloc(8);
  bytes.writeInt32LE(hash.low, 0);
  bytes.writeInt32LE(hash.high, 4);
  return bytes.toString('hex');
}

describe('HalfSipHash-2-4', () => {
  it.each(vectors)('of %i octets is the reference result', (length, expected) => {
    expect(digestOf(length)).toBe(expected);
  });

  it('depends on every octet and on the length', () => {
    const digests = new Set(Array.from({ length: 64 }, (_, length) => digestOf(length)));
    expect(digests.size).toBe(64);
  });
});

import { HalfSipHash } from './half-sip-hash.js';

/** Key 00 01 .. 07, message 00 01 .. of the given length: the reference implementation's vectors. */
const vectors = ['218d1f59b9b83cc8', 'be552400164d0f0b'];

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
  it.each([...vectors.entries()])('of %i octets is the reference result', (length, expected) => {
    expect(digestOf(length)).toBe(expected);
  });

  it('depends on every octet and on the length', () => {
    const digests = new Set(Array.from({ length: 64 }, (_, length) => digestOf(length)));
    expect(digests.size).toBe(64);
  });
});

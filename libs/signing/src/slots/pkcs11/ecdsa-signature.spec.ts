import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { writeEcdsaSignature } from './ecdsa-signature.js';

const out = Buffer.alloc(139);
const derOf = (hex: string): string => {
  const raw = Buffer.from(`${hex}ffff`, 'hex');
  return Buffer.from(writeEcdsaSignature(raw, raw.length - 2, out)).toString('hex');
};

describe('writeEcdsaSignature', () => {
  it.each([
    ['0102', '3006020101020102'],
    ['80ff', '300802020080020200ff'],
    ['00010002', '3006020101020102'],
    ['00800080', '3008020200800202' + '0080'],
    ['0000', '3006020100020100'],
    ['00000000', '3006020100020100'],
    [`${'7f'.repeat(66)}${'7f'.repeat(66)}`, `308188${`0242${'7f'.repeat(66)}`.repeat(2)}`],
  ])('writes %s as %s', (raw, der) => {
    expect(derOf(raw)).toBe(der);
  });

  it.each([
    ['P-256', 'sha256'],
    ['P-384', 'sha384'],
    ['P-521', 'sha512'],
  ])('makes what OpenSSL verifies of each of its %s signatures', (namedCurve, hash) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
    for (let i = 0; i < 100; i++) {
      const message = Buffer.from(`message ${String(i)}`);
      const raw = sign(hash, message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      const der = Buffer.from(writeEcdsaSignature(raw, raw.length, out));
      expect(verify(hash, message, publicKey, der)).toBe(true);
    }
  });
});

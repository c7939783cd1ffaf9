import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { encodeOctetString, encodeOid, encodeTlv, oids, tags } from '@certmill/der';
import { CKK_EC, CKK_EC_EDWARDS, CKK_ML_DSA, CKK_RSA } from './cryptoki.js';
import { subjectPKInfoOf } from './token-public-key.js';

const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const partOf = (key: KeyObject, name: 'n' | 'e' | 'x'): Buffer =>
  Buffer.from(key.export({ format: 'jwk' })[name] ?? '', 'base64url');

const curves: readonly [string, string, number][] = [
  ['P-256', oids.secp256r1, 65],
  ['P-384', oids.secp384r1, 97],
  ['P-521', oids.secp521r1, 133],
];

describe('subjectPKInfoOf', () => {
  it.each(curves)(
    'is what OpenSSL writes for a %s key, its point wrapped or bare',
    (curve, oid, octets) => {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
      const der = spkiOf(publicKey);
      const point = der.subarray(der.length - octets);
      for (const ecPoint of [point, encodeOctetString(point)]) {
        const info = subjectPKInfoOf({ keyType: CKK_EC, ecParams: encodeOid(oid), ecPoint });
        expect(info).toMatchObject({ kind: 'ecdsa' });
        expect(Buffer.from(info!.der)).toEqual(der);
      }
    },
  );

  it.each([
    ['the OID of RFC 8410', encodeOid(oids.id_Ed25519)],
    ['the name of the curve', encodeTlv(tags.printableString, Buffer.from('edwards25519'))],
    ['the older OID', encodeOid('1.3.6.1.4.1.11591.15.1')],
  ])('is what OpenSSL writes for an Ed25519 key under %s', (_, ecParams) => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const x = partOf(publicKey, 'x');
    for (const ecPoint of [x, encodeOctetString(x)]) {
      const info = subjectPKInfoOf({ keyType: CKK_EC_EDWARDS, ecParams, ecPoint });
      expect(info).toMatchObject({ kind: 'ed25519' });
      expect(Buffer.from(info!.der)).toEqual(spkiOf(publicKey));
    }
  });

  it('is what OpenSSL writes for an RSA key, its numbers with zeros before them', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const zero = Buffer.alloc(1);
    const info = subjectPKInfoOf({
      keyType: CKK_RSA,
      modulus: Buffer.concat([zero, partOf(publicKey, 'n')]),
      publicExponent: Buffer.concat([zero, partOf(publicKey, 'e')]),
    });
    expect(info).toMatchObject({ kind: 'rsa' });
    expect(Buffer.from(info!.der)).toEqual(spkiOf(publicKey));
  });

  it.each([
    [
      'a curve that is not used',
      { ecParams: encodeOid('1.3.132.0.10'), ecPoint: Buffer.alloc(65, 4) },
    ],
    [
      'a point of another curve',
      { ecParams: encodeOid(oids.secp256r1), ecPoint: Buffer.alloc(97, 4) },
    ],
    [
      'a point that is no DER',
      { ecParams: encodeOid(oids.secp256r1), ecPoint: Buffer.alloc(67, 4) },
    ],
    ['no point', { ecParams: encodeOid(oids.secp256r1) }],
    ['no parameters', { ecPoint: Buffer.alloc(65, 4) }],
  ])('is nothing with %s', (_, parts) => {
    expect(subjectPKInfoOf({ keyType: CKK_EC, ...parts })).toBeUndefined();
  });

  it.each([
    ['ml-dsa-44', 1, 1_312],
    ['ml-dsa-65', 2, 1_952],
    ['ml-dsa-87', 3, 2_592],
  ] as const)('is what OpenSSL writes for an %s key', (type, parameterSet, octets) => {
    const { publicKey } = generateKeyPairSync(type);
    const der = spkiOf(publicKey);
    const value = der.subarray(der.length - octets);
    const info = subjectPKInfoOf({ keyType: CKK_ML_DSA, parameterSet, value });
    expect(info).toMatchObject({ kind: 'ml-dsa' });
    expect(Buffer.from(info!.der)).toEqual(der);
    const other = { keyType: CKK_ML_DSA, parameterSet: (parameterSet % 3) + 1, value };
    expect(subjectPKInfoOf(other)).toBeUndefined();
    expect(subjectPKInfoOf({ keyType: CKK_ML_DSA, value })).toBeUndefined();
  });

  it('is nothing without the modulus', () => {
    expect(
      subjectPKInfoOf({ keyType: CKK_RSA, publicExponent: Buffer.from([1, 0, 1]) }),
    ).toBeUndefined();
  });
});

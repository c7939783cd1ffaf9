import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

import { certsOnlyEnvelope } from '../certificates/certs-only.js';
import {
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeInteger,
  encodeNull,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTime,
  encodeTlv,
} from './der-encode.js';
import { oids } from './oids.js';
import { sniffDer } from './sniff-der.js';
import { aCertificationRequest, aName, anEcKey } from '../testing/a-certification-request.js';

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 1_024 }).privateKey;
const ed25519 = generateKeyPairSync('ed25519').privateKey;
const request = aCertificationRequest();

function derOf(key: KeyObject, type: 'pkcs1' | 'pkcs8' | 'sec1'): Uint8Array {
  return key.export({ type: type as 'pkcs8', format: 'der' });
}

const encrypted = ec.export({
  type: 'pkcs8',
  format: 'der',
  cipher: 'aes-256-cbc',
  passphrase: 'test only',
});
const privateKeys: readonly (readonly [string, Uint8Array])[] = [
  ['PKCS #8 EC', derOf(ec, 'pkcs8')],
  ['PKCS #8 RSA', derOf(rsa, 'pkcs8')],
  ['PKCS #8 Ed25519', derOf(ed25519, 'pkcs8')],
  ['PKCS #8 encrypted', encrypted],
  ['SEC 1', derOf(ec, 'sec1')],
  ['PKCS #1', derOf(rsa, 'pkcs1')],
];

describe.each(privateKeys)('a private key: %s', (_, der) => {
  test('is recognised', () => {
    expect(sniffDer(der)).toBe('private-key');
  });

  test('is recognised cut short, with bytes after it, and in a larger buffer', () => {
    expect(sniffDer(der, 0, der.length - 1)).toBe('private-key');
    expect(sniffDer(der, 0, Math.floor(der.length / 2) + 8)).toBe('private-key');
    const padded = Buffer.concat([Buffer.alloc(5, 0x30), der, Buffer.from('\r\n')]);
    expect(sniffDer(padded, 5)).toBe('private-key');
  });

  test('is recognised with an indefinite or long outer length', () => {
    const headerLength = (der[1] as number) < 0x80 ? 2 : 2 + ((der[1] as number) & 0x7f);
    const content = der.subarray(headerLength);
    const indefinite = Buffer.concat([Buffer.of(0x30, 0x80), content, Buffer.of(0, 0)]);
    expect(sniffDer(indefinite)).toBe('private-key');
    const length = Buffer.alloc(5);
    length.writeUInt8(0x84);
    length.writeUInt32BE(content.length, 1);
    expect(sniffDer(Buffer.concat([Buffer.of(0x30), length, content]))).toBe('private-key');
  });
});

describe('sniffDer', () => {
  const algorithm = encodeAlgorithmIdentifier(oids.ecdsa_with_SHA256);
  const signed = (...parts: Uint8Array[]): Uint8Array =>
    encodeSequence(encodeSequence(...parts), algorithm, encodeBitString(Uint8Array.of(1)));
  const validity = encodeSequence(encodeTime(0), encodeTime(1));
  const name = aName([oids.id_at_commonName, 'x']);
  const spki = anEcKey().spki;
  const version3 = encodeTlv(0xa0, encodeInteger(2));
  const { header, trailer } = certsOnlyEnvelope(0);
  const rsaPublicKey = createPublicKey(rsa).export({ type: 'pkcs1', format: 'der' });

  test.each<[string, Uint8Array, string]>([
    ['a request', request, 'certification-request'],
    [
      'a request without subject',
      aCertificationRequest({ subject: encodeSequence() }),
      'certification-request',
    ],
    [
      'a request that is bad inside',
      signed(encodeInteger(0), encodeSequence(), encodeSequence()),
      'certification-request',
    ],
    [
      'a certificate',
      signed(version3, encodeInteger(1), algorithm, name, validity, name, spki),
      'certificate',
    ],
    [
      'a v1 certificate',
      signed(encodeInteger(1), algorithm, name, validity, name, spki),
      'certificate',
    ],
    ['a CRL', signed(encodeInteger(1), algorithm, name, encodeTime(0)), 'other'],
    ['a public key', spki, 'public-key'],
    ['an RSA public key', rsaPublicKey, 'public-key'],
    ['a PKCS #7', Buffer.concat([header, trailer]), 'pkcs7'],
    ['another ContentInfo', encodeSequence(encodeOid('1.2.3'), encodeTlv(0xa0)), 'other'],
    [
      'a PKCS #12',
      encodeSequence(encodeInteger(3), encodeSequence(encodeOid(oids.id_data))),
      'pkcs12',
    ],
    ['an empty SEQUENCE', encodeSequence(), 'other'],
    ['something else', encodeSequence(encodeNull()), 'other'],
    ['a SET', encodeSetOf(), 'not-der'],
    ['nothing', new Uint8Array(0), 'not-der'],
    ['one octet', Uint8Array.of(0x30), 'not-der'],
    ['text', Buffer.from('-----BEGIN CERTIFICATE REQUEST-----'), 'not-der'],
    ['a request cut short', request.subarray(0, -1), 'not-der'],
    ['a request with bytes after it', Buffer.concat([request, Buffer.of(10)]), 'not-der'],
    ['an indefinite length', Buffer.concat([Buffer.of(0x30, 0x80), Buffer.alloc(4)]), 'not-der'],
  ])('%s', (_, der, shape) => {
    expect(sniffDer(der)).toBe(shape);
  });
});

import * as fc from 'fast-check';

import {
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeBoolean,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv,
} from '../encoding/der-encode.js';
import { encodeCertId } from './encode-ocsp-response.js';
import { oids } from '../encoding/oids.js';
import {
  MAX_NONCE_OCTETS,
  MAX_OCSP_REQUESTS,
  type OcspRequest,
  readOcspRequest,
} from './read-ocsp-request.js';
import { contextConstructed } from '../encoding/tags.js';
import { valueOf } from '../testing/x509-oracle.js';

fc.configureGlobal({ seed: 20261123 });

// Written by `openssl ocsp -issuer ca.pem -serial 0x4A05 -reqout` (3.0.19), with its nonce.
const fromOpenSsl = Buffer.from(
  '30683066303f303d303b300906052b0e03021a05000414424ef3366d8b17e4f9865ea7849fe102ba' +
    'd1a82e0414fe6b2e42a4426291b350cd59b8f7cba81cc9183f02024a05a2233021301f06092b0601' +
    '05050730010204120410b0985e1c1b26ac4a84d2ec350acebdc0',
  'hex',
);

const nameHash = Buffer.alloc(20, 0x11);
const keyHash = Buffer.alloc(20, 0x22);
const serialNumber = Buffer.from('01aabbcc', 'hex');

function aRequest(certId: Uint8Array = aCertId(), ...rest: readonly Uint8Array[]): Uint8Array {
  return encodeSequence(certId, ...rest);
}

function aCertId(): Uint8Array {
  return encodeCertId('sha1', nameHash, keyHash, serialNumber);
}

function anExtension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  return encodeSequence(
    encodeOid(oid),
    ...(critical ? [encodeBoolean(true)] : []),
    encodeOctetString(value),
  );
}

function anOcspRequest(
  requests: readonly Uint8Array[] = [aRequest()],
  extensions: readonly Uint8Array[] = [],
  ...outer: readonly Uint8Array[]
): Uint8Array {
  const list = encodeSequence(...requests);
  const inExtensions = encodeTlv(contextConstructed(2), encodeSequence(...extensions));
  const tbs = extensions.length === 0 ? [list] : [list, inExtensions];
  return encodeSequence(encodeSequence(...tbs), ...outer);
}

function aNonce(octets: number): Uint8Array {
  return anExtension(oids.id_pkix_ocsp_nonce, encodeOctetString(Buffer.alloc(octets, 7)));
}

function read(bytes: Uint8Array): OcspRequest {
  return valueOf(readOcspRequest(bytes, 0, bytes.length));
}

function errorOf(bytes: Uint8Array): string {
  const result = readOcspRequest(bytes, 0, bytes.length);
  return result.ok ? 'read' : result.error.code;
}

describe('an OCSPRequest', () => {
  test('gives the ranges of its CertIDs', () => {
    const bytes = anOcspRequest([
      aRequest(),
      aRequest(encodeCertId('sha256', Buffer.alloc(32, 3), Buffer.alloc(32, 4), serialNumber)),
    ]);
    const { certIds, nonceStart, isSigned } = read(bytes);
    expect([nonceStart, isSigned, certIds.length]).toEqual([-1, false, 2]);
    const [first, second] = certIds;
    expect([first?.hash, second?.hash]).toEqual(['sha1', 'sha256']);
    expect(bytes.subarray(first?.start, first?.end)).toEqual(aCertId());
    const part = (start?: number, end?: number) => Buffer.from(bytes.subarray(start, end));
    expect(part(first?.issuerNameHashStart, first?.issuerNameHashEnd)).toEqual(nameHash);
    expect(part(first?.issuerKeyHashStart, first?.issuerKeyHashEnd)).toEqual(keyHash);
    expect(part(first?.serialNumberStart, first?.serialNumberEnd)).toEqual(serialNumber);
  });

  test('of OpenSSL is read with its nonce', () => {
    const { certIds, nonceStart, nonceEnd } = read(fromOpenSsl);
    expect(fromOpenSsl.toString('hex', nonceStart, nonceEnd)).toBe(
      'b0985e1c1b26ac4a84d2ec350acebdc0',
    );
    const [certId] = certIds;
    expect(fromOpenSsl.toString('hex', certId?.serialNumberStart, certId?.serialNumberEnd)).toBe(
      '4a05',
    );
  });

  test.each([
    [0, 'truncated'],
    [1, 'read'],
    [16, 'read'],
    [32, 'read'],
    [MAX_NONCE_OCTETS, 'read'],
    [MAX_NONCE_OCTETS + 1, 'too-large'],
  ])('with a nonce of %d octets: %s', (octets, expected) => {
    expect(errorOf(anOcspRequest([aRequest()], [aNonce(octets)]))).toBe(expected);
  });

  test('with an unknown hash names nobody', () => {
    const md5 = encodeAlgorithmIdentifier('1.2.840.113549.2.5', encodeNull());
    const certId = encodeSequence(
      md5,
      encodeOctetString(nameHash),
      encodeOctetString(keyHash),
      encodeInteger(5),
    );
    expect(read(anOcspRequest([aRequest(certId)])).certIds[0]?.hash).toBe('unsupported');
  });

  test('may be signed, and says by whom', () => {
    const name = encodeTlv(contextConstructed(1), encodeTlv(0x82, Buffer.from('who')));
    const algorithm = encodeAlgorithmIdentifier(oids.ecdsa_with_SHA256);
    const certs = encodeTlv(contextConstructed(0), encodeSequence(encodeSequence(encodeNull())));
    const signature = encodeTlv(
      contextConstructed(0),
      encodeSequence(algorithm, encodeBitString(Buffer.alloc(70, 1)), certs),
    );
    const bytes = encodeSequence(encodeSequence(name, encodeSequence(aRequest())), signature);
    expect(read(bytes)).toMatchObject({ isSigned: true, hasUnknownCritical: false });
  });

  test.each([
    ['known', oids.id_pkix_ocsp_service_locator, true, false],
    ['unknown', '1.2.3.4', true, true],
    ['unknown and not critical', '1.2.3.4', false, false],
  ])('with a critical extension that is %s', (_name, oid, critical, expected) => {
    const extension = anExtension(oid, encodeNull(), critical);
    expect(read(anOcspRequest([aRequest()], [extension])).hasUnknownCritical).toBe(expected);
    const inRequest = encodeTlv(contextConstructed(0), encodeSequence(extension));
    const single = anOcspRequest([aRequest(aCertId(), inRequest)]);
    expect(read(single).hasUnknownCritical).toBe(expected);
  });

  const many = Array.from({ length: MAX_OCSP_REQUESTS + 1 }, () => aRequest());
  const version1 = encodeTlv(contextConstructed(0), encodeInteger(0));
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ['nothing', new Uint8Array(), 'truncated'],
    ['no request', anOcspRequest([]), 'empty-set'],
    ['too many requests', anOcspRequest(many), 'too-large'],
    ['something behind it', Buffer.concat([anOcspRequest(), Buffer.of(0)]), 'trailing-bytes'],
    ['another version', encodeSequence(encodeSequence(version1)), 'version-unsupported'],
    ['two nonces', anOcspRequest([aRequest()], [aNonce(16), aNonce(16)]), 'duplicate-extension'],
    [
      'a nonce without its OCTET STRING',
      anOcspRequest([aRequest()], [anExtension(oids.id_pkix_ocsp_nonce, encodeNull())]),
      'unexpected-tag',
    ],
    ['no serial number', anOcspRequest([aRequest(encodeSequence())]), 'truncated'],
    ['a PKCS#10 in its place', encodeSequence(encodeSequence(encodeInteger(0))), 'unexpected-tag'],
    [
      'no extensions',
      encodeSequence(
        encodeSequence(
          encodeSequence(aRequest()),
          encodeTlv(contextConstructed(2), encodeSequence()),
        ),
      ),
      'empty-set',
    ],
    ['too much of it', encodeSequence(encodeSequence(Buffer.alloc(20_000))), 'too-large'],
  ];
  test.each(cases)('with %s is refused', (_name, bytes, code) => {
    expect(errorOf(bytes)).toBe(code);
  });

  test('that is damaged anywhere is read inside its bounds, or refused', () => {
    const whole = anOcspRequest([aRequest(), aRequest()], [aNonce(16)]);
    const report = (bytes: Uint8Array, poison: number): string => {
      const buffer = new Uint8Array(bytes.length + 64).fill(poison);
      buffer.set(bytes, 32);
      return JSON.stringify(readOcspRequest(buffer, 32, 32 + bytes.length));
    };
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(whole.length),
        (changes, length) => {
          const bytes = Uint8Array.from(whole);
          for (const [at, octet] of changes) bytes[at] = octet;
          for (const part of [bytes, bytes.subarray(0, length)]) {
            expect(report(part, 0x30)).toBe(report(part, 0xff));
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

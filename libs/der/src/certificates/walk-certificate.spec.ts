import { sign } from 'node:crypto';

import {
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeInteger,
  encodeNull,
  encodeSequence,
  encodeTime,
  encodeTlv,
} from '../encoding/der-encode.js';
import { CERTIFICATE_HEAD_ROOM, finishCertificate, signatureRoom } from './finish-certificate.js';
import { oids } from '../encoding/oids.js';
import { tags } from '../encoding/tags.js';
import { aName, anEcKey, anExtension } from '../testing/a-certification-request.js';
import { createCertificateWalk, walkCertificate } from './walk-certificate.js';

const issuer = anEcKey();
const name = aName([oids.id_at_commonName, 'x']);
const algorithm = issuer.signatureAlgorithmDer;
const extensions = encodeTlv(0xa3, encodeSequence(anExtension('1.2.3', encodeNull())));
const parts = {
  version: encodeTlv(0xa0, encodeInteger(2)),
  serialNumber: encodeInteger(77),
  signature: algorithm,
  issuer: name,
  validity: encodeSequence(encodeTime(1), encodeTime(4_000_000_000)),
  subject: encodeSequence(),
  spki: issuer.spki,
  tail: extensions,
  outer: algorithm,
};

function aCertificate(given: Partial<typeof parts> = {}): Uint8Array {
  const { version, serialNumber, signature, validity, subject, spki, tail, outer, ...rest } = {
    ...parts,
    ...given,
  };
  const tbs = encodeSequence(
    version,
    serialNumber,
    signature,
    rest.issuer,
    validity,
    subject,
    spki,
    tail,
  );
  return encodeSequence(tbs, outer, encodeBitString(sign('sha256', tbs, issuer.privateKey)));
}

function walkOf(bytes: Uint8Array): ReturnType<typeof createCertificateWalk> {
  const walk = createCertificateWalk();
  expect(walkCertificate(bytes, 0, bytes.length, walk)).toBe(walk.error === undefined);
  return walk;
}

describe('walkCertificate', () => {
  test('finds the parts', () => {
    const bytes = aCertificate();
    const walk = walkOf(bytes);
    expect(walk).toMatchObject({
      error: undefined,
      version: 3,
      notBeforeSeconds: 1,
      notAfterSeconds: 4_000_000_000,
      keyAlgorithm: 'ec-p256',
      signatureAlgorithm: 'ecdsa-sha256',
    });
    const part = (start: number, end: number): Buffer => Buffer.from(bytes.subarray(start, end));
    expect(part(walk.issuerStart, walk.issuerEnd).equals(name)).toBe(true);
    expect(part(walk.subjectPKInfoStart, walk.subjectPKInfoEnd).equals(issuer.spki)).toBe(true);
    expect([...part(walk.serialNumberStart, walk.serialNumberEnd)]).toEqual([77]);
    expect(part(walk.extensionsStart, walk.extensionsEnd).equals(extensions.subarray(2))).toBe(
      true,
    );
    expect(part(walk.signatureAlgorithmStart, walk.signatureAlgorithmEnd).equals(algorithm)).toBe(
      true,
    );
  });

  const none = new Uint8Array(0);
  const uniqueIds = Buffer.from('8102000182020002', 'hex');
  test.each([
    ['v1', { version: none, tail: none }, undefined],
    [
      'v1 written out',
      { version: encodeTlv(0xa0, encodeInteger(0)), tail: none },
      'default-encoded',
    ],
    [
      'v2 with unique ids',
      { version: encodeTlv(0xa0, encodeInteger(1)), tail: uniqueIds },
      undefined,
    ],
    ['v4', { version: encodeTlv(0xa0, encodeInteger(3)) }, 'version-unsupported'],
    ['extensions in v2', { version: encodeTlv(0xa0, encodeInteger(1)) }, 'trailing-bytes'],
    ['unique ids in v1', { version: none, tail: uniqueIds }, 'trailing-bytes'],
    ['a unique id that is no BIT STRING', { tail: Uint8Array.of(0x81, 1, 8) }, 'bad-bit-string'],
    ['no extension', { tail: encodeTlv(0xa3, encodeSequence()) }, 'empty-set'],
    ['a padded serial number', { serialNumber: Uint8Array.of(2, 2, 0, 1) }, 'integer-not-minimal'],
    [
      'two algorithms',
      { outer: encodeAlgorithmIdentifier(oids.ecdsa_with_SHA384) },
      'signature-algorithm-mismatch',
    ],
    [
      'a time without seconds',
      {
        validity: encodeSequence(
          encodeTlv(tags.utcTime, Buffer.from('0001010000Z')),
          encodeTime(1),
        ),
      },
      'bad-time',
    ],
    [
      'a time that is an INTEGER',
      { validity: encodeSequence(encodeNull(), encodeTime(1)) },
      'unexpected-tag',
    ],
    [
      'three times',
      { validity: encodeSequence(encodeTime(1), encodeTime(1), encodeTime(1)) },
      'trailing-bytes',
    ],
  ])('%s', (_, given, error) => {
    expect(walkOf(aCertificate(given)).error).toBe(error);
  });

  test('cut short anywhere, or with any octet changed, is data and never an exception', () => {
    const bytes = aCertificate();
    for (let length = 0; length < bytes.length; length += 1) {
      expect(walkOf(bytes.subarray(0, length)).error).toBeDefined();
    }
    const mutated = Uint8Array.from(bytes);
    for (let offset = 0; offset < bytes.length; offset += 1) {
      for (const difference of [1, 2, 0x20, 0x7f, 0x80, 0xff]) {
        mutated[offset] = (bytes[offset] as number) ^ difference;
        walkOf(mutated);
      }
      mutated[offset] = bytes[offset] as number;
    }
  });
});

describe('finishCertificate', () => {
  test.each([100, 120, 200, 60_000, 70_000])(
    'wraps a TBSCertificate of about %d octets',
    (size) => {
      const tbs = encodeSequence(encodeTlv(tags.octetString, new Uint8Array(size - 8)));
      const signature = new Uint8Array(71).fill(9);
      const room = signatureRoom(algorithm, signature.length);
      const out = new Uint8Array(CERTIFICATE_HEAD_ROOM + tbs.length + room + 1).fill(0xee);
      out.set(tbs, CERTIFICATE_HEAD_ROOM);
      const tbsEnd = CERTIFICATE_HEAD_ROOM + tbs.length;
      const { start, end } = finishCertificate(
        out,
        CERTIFICATE_HEAD_ROOM,
        tbsEnd,
        algorithm,
        signature,
      );
      const expected = encodeSequence(tbs, algorithm, encodeBitString(signature));
      expect(Buffer.compare(out.subarray(start, end), expected)).toBe(0);
      expect(
        [...out.subarray(0, start), ...out.subarray(end)].every((octet) => octet === 0xee),
      ).toBe(true);
    },
  );

  test('refuses to write where there is no room', () => {
    const tbs = encodeSequence(new Uint8Array(200));
    const signature = new Uint8Array(64);
    const finish = (before: number, after: number): unknown => {
      const out = new Uint8Array(before + tbs.length + after);
      out.set(tbs, before);
      return finishCertificate(out, before, before + tbs.length, algorithm, signature);
    };
    const room = signatureRoom(algorithm, signature.length);
    const noRoom = expect.objectContaining({ code: 'no-room' }) as Error;
    expect(() => finish(4, room)).not.toThrow();
    expect(() => finish(3, room)).toThrow(noRoom);
    expect(() => finish(8, room - 1)).toThrow(noRoom);
  });
});

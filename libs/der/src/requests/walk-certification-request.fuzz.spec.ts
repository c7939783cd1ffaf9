import * as fc from 'fast-check';

import { encodeNull, encodeSequence, encodeTlv } from '../encoding/der-encode.js';
import { DerReader } from '../encoding/der-reader.js';
import { oids } from '../encoding/oids.js';
import {
  readBasicConstraints,
  readExtensions,
  readExtKeyUsage,
  readKeyUsage,
} from '../certificates/read-extensions.js';
import { readGeneralNames } from '../names/read-general-names.js';
import { readName } from '../names/read-name.js';
import { sniffDer } from '../encoding/sniff-der.js';
import { tags } from '../encoding/tags.js';
import {
  aCertificationRequest,
  anAttribute,
  anEcKey,
  anEd25519Key,
  anExtension,
  anExtensionRequest,
  anRsaKey,
  isSignedByItsKey,
} from '../testing/a-certification-request.js';
import { createCertificateWalk, walkCertificate } from '../certificates/walk-certificate.js';
import {
  createCertificationRequestWalk,
  walkCertificationRequest,
} from './walk-certification-request.js';

fc.configureGlobal({ seed: 20261123 });

const MARGIN = 80;

/**
 * All that the library reads from a request, as one comparable string. The input lies between
 * margins of `poison`: a read outside of it shows as a different string for different poison, and
 * an exception fails the test.
 */
function reportOf(bytes: Uint8Array, poison: number): string {
  const buffer = new Uint8Array(bytes.length + 2 * MARGIN).fill(poison);
  buffer.set(bytes, MARGIN);
  const end = MARGIN + bytes.length;
  const walk = createCertificationRequestWalk();
  const isWalked = walkCertificationRequest(buffer, MARGIN, end, walk);
  const report: unknown[] = [
    sniffDer(buffer, MARGIN, end),
    walkCertificate(buffer, MARGIN, end, createCertificateWalk()),
    isWalked ? walk : [walk.error, walk.errorOffset],
  ];
  if (isWalked) {
    report.push(readName(buffer, walk.subjectStart, walk.subjectEnd));
    if (walk.extensionsStart >= 0) {
      const extensions = readExtensions(buffer, walk.extensionsStart, walk.extensionsEnd);
      report.push(extensions);
      for (const extension of extensions.ok ? extensions.value : []) {
        for (const read of valueReaders) {
          report.push(read(buffer, extension.valueStart, extension.valueEnd));
        }
      }
    }
  }
  return JSON.stringify(report);
}

const valueReaders = [
  readGeneralNames,
  readKeyUsage,
  readBasicConstraints,
  readExtKeyUsage,
  readName,
];

function assertStaysInside(bytes: Uint8Array): void {
  const report = reportOf(bytes, 0x00);
  for (const poison of [0x30, 0xff]) expect(reportOf(bytes, poison)).toBe(report);
}

/**
 * The rule: a request that differs from one that was signed either is no request, or its signature
 * fails under its own key and algorithm. No exception is allowed: DER leaves one encoding, so a
 * change outside the signed bytes is always a change of length, algorithm or signature.
 */
function assertNeverIssues(bytes: Uint8Array): boolean {
  const walk = createCertificationRequestWalk();
  if (!walkCertificationRequest(bytes, 0, bytes.length, walk)) {
    expect(walk.error).toBeDefined();
    expect(walk.errorOffset).toBeGreaterThanOrEqual(0);
    expect(walk.errorOffset).toBeLessThanOrEqual(bytes.length);
    return false;
  }
  expect(isSignedByItsKey(bytes, walk)).toBe(false);
  return true;
}

const richAttributes = [
  anAttribute(oids.id_challengePassword, encodeTlv(tags.utf8String, Buffer.from('secret'))),
  anExtensionRequest(
    anExtension(oids.id_ce_keyUsage, Uint8Array.of(3, 2, 7, 0x80), true),
    anExtension(oids.id_ce_basicConstraints, encodeSequence()),
    anExtension(
      oids.id_ce_subjectAltName,
      encodeSequence(
        encodeTlv(0x82, Buffer.from('a.b')),
        encodeTlv(0x87, Uint8Array.of(1, 2, 3, 4)),
      ),
    ),
  ),
  anAttribute('1.2.3', encodeSequence(encodeNull(), Uint8Array.of(3, 2, 1, 2))),
];

const requests: readonly (readonly [string, Uint8Array])[] = [
  ['P-256', aCertificationRequest({ key: anEcKey() })],
  ['P-256 with attributes', aCertificationRequest({ key: anEcKey(), attributes: richAttributes })],
  ['Ed25519', aCertificationRequest({ key: anEd25519Key(), attributes: undefined })],
  ['RSA', aCertificationRequest({ key: anRsaKey(1_024) })],
];

describe.each(requests)('a %s request', (name, request) => {
  test('is proof of possession as it is', () => {
    const walk = createCertificationRequestWalk();
    expect(walkCertificationRequest(request, 0, request.length, walk)).toBe(true);
    expect(isSignedByItsKey(request, walk)).toBe(true);
  });

  test('cut short anywhere is refused, and nothing outside is read', () => {
    for (let length = 0; length < request.length; length += 1) {
      const walk = createCertificationRequestWalk();
      expect(walkCertificationRequest(request, 0, length, walk)).toBe(false);
      assertStaysInside(request.subarray(0, length));
    }
  });

  test('with one octet changed never issues, and nothing outside is read', () => {
    const values =
      name === 'P-256' ? Array.from({ length: 255 }, (_, n) => n + 1) : [1, 0x80, 0xff];
    const mutated = Uint8Array.from(request);
    let walked = 0;
    for (let offset = 0; offset < request.length; offset += 1) {
      const original = request[offset] as number;
      for (const difference of values) {
        mutated[offset] = original ^ difference;
        if (assertNeverIssues(mutated)) walked += 1;
        if (values.length < 10 || difference % 51 === 0) assertStaysInside(mutated);
      }
      mutated[offset] = original;
    }
    // The key and signature octets alone leave this many well-formed requests.
    expect(walked).toBeGreaterThan(100 * values.length);
  });

  test('with an octet removed, doubled or inserted never issues', () => {
    for (let offset = 0; offset < request.length; offset += 1) {
      const before = request.subarray(0, offset);
      const octet = request.subarray(offset, offset + 1);
      const after = request.subarray(offset + 1);
      assertNeverIssues(Buffer.concat([before, after]));
      for (const inserted of [octet, Uint8Array.of(0), Uint8Array.of(0xff)]) {
        assertNeverIssues(Buffer.concat([before, inserted, octet, after]));
      }
    }
  });
});

describe('bytes of any kind', () => {
  // Headers of real types, so that random input gets past the first octet.
  const headers = fc.constantFrom(...Object.values(tags), 0xa0, 0xa3, 0x80, 0x82, 0x86, 0xa4, 0xff);
  const element: fc.Arbitrary<Uint8Array> = fc.letrec<{ element: Uint8Array }>((tie) => ({
    element: fc.oneof(
      { maxDepth: 6 },
      fc
        .tuple(headers, fc.uint8Array({ maxLength: 12 }))
        .map(([tag, content]) => encodeTlv(tag, content)),
      fc
        .tuple(headers, fc.array(tie('element'), { maxLength: 4 }))
        .map(([tag, children]) => encodeTlv(tag, ...children)),
    ),
  })).element;

  test('never crash a reader, nor are read outside of', () => {
    fc.assert(
      fc.property(fc.oneof(element, fc.uint8Array({ maxLength: 200 })), assertStaysInside),
      {
        numRuns: 2_000,
      },
    );
  });

  test('never crash a value reader', () => {
    fc.assert(
      fc.property(fc.oneof(element, fc.uint8Array({ maxLength: 60 })), (bytes) => {
        for (const read of [...valueReaders, readExtensions]) {
          const result = read(bytes, 0, bytes.length);
          if (!result.ok) expect(result.error.offset).toBeLessThanOrEqual(bytes.length);
        }
        const reader = new DerReader();
        if (reader.reset(bytes, 0, bytes.length)) reader.any(bytes.length, 1);
      }),
      { numRuns: 4_000 },
    );
  });
});

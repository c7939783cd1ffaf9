import 'reflect-metadata';

import { createPublicKey } from 'node:crypto';

import * as x509 from '@peculiar/x509';

import {
  encodeInteger,
  encodeNamedBits,
  encodeNull,
  encodeOid,
  encodeSequence,
  encodeTlv,
} from '../encoding/der-encode.js';
import { oids } from '../encoding/oids.js';
import { readExtensions } from '../certificates/read-extensions.js';
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
  type TestKey,
} from '../testing/a-certification-request.js';
import {
  aRandomGeneralName,
  aRandomName,
  PRINTABLE_ALPHABET,
  UNICODE_ALPHABET,
} from '../testing/random-names.js';
import { SeededRandom } from '../testing/seeded-random.js';
import {
  expectSameExtensionValue,
  expectSameName,
  hexOf,
  valueOf,
} from '../testing/x509-oracle.js';
import {
  type CertificationRequestWalk,
  createCertificationRequestWalk,
  walkCertificationRequest,
} from './walk-certification-request.js';

const REQUESTS = 2_400;
const keyPurposes = [oids.id_kp_clientAuth, oids.id_kp_serverAuth, '1.3.6.1.4.1.99999.1'];

function someOf<T>(random: SeededRandom, choices: readonly T[]): T[] {
  const some = choices.filter(() => random.chance(0.5));
  return some.length > 0 ? some : [random.pick(choices)];
}

function someRandomExtensions(random: SeededRandom): Uint8Array[] {
  const critical = random.pick([undefined, true]);
  const names = Array.from({ length: 1 + random.below(4) }, () => aRandomGeneralName(random));
  const constraints = random.pick([
    encodeSequence(),
    encodeSequence(Uint8Array.of(1, 1, 0xff)),
    encodeSequence(Uint8Array.of(1, 1, 0xff), encodeInteger(random.below(300))),
  ]);
  const purposes = encodeSequence(...someOf(random, keyPurposes).map(encodeOid));
  const bits = someOf(random, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  const own = encodeTlv(tags.octetString, random.bytes(random.below(300)));
  return [
    anExtension(oids.id_ce_subjectAltName, encodeSequence(...names), critical),
    anExtension(oids.id_ce_keyUsage, encodeNamedBits(bits), critical),
    anExtension(oids.id_ce_extKeyUsage, purposes),
    anExtension(oids.id_ce_basicConstraints, constraints, critical),
    anExtension('1.3.6.1.4.1.99999.2', own),
  ].filter(() => random.chance(0.6));
}

function someRandomAttributes(random: SeededRandom): Uint8Array[] | undefined {
  if (random.chance(0.05)) return undefined;
  const text = (tag: number, alphabet: string): Uint8Array =>
    encodeTlv(tag, Buffer.from(random.text(alphabet, 12)));
  const attributes = [
    anExtensionRequest(...someRandomExtensions(random)),
    anAttribute(oids.id_challengePassword, text(tags.utf8String, UNICODE_ALPHABET)),
    anAttribute(oids.id_unstructuredName, text(tags.ia5String, PRINTABLE_ALPHABET)),
    anAttribute('1.2.3.4', encodeNull(), encodeInteger(7)),
  ].filter((_, index) => random.chance(index === 0 ? 0.7 : 0.2));
  return random.chance(0.5) ? attributes : attributes.reverse();
}

function walked(bytes: Uint8Array): CertificationRequestWalk {
  const walk = createCertificationRequestWalk();
  expect(walkCertificationRequest(bytes, 0, bytes.length, walk) || walk.error).toBe(true);
  return walk;
}

function expectSameRequest(bytes: Uint8Array, walk: CertificationRequestWalk): void {
  const oracle = new x509.Pkcs10CertificateRequest(bytes);
  const part = (start: number, end: number): string => hexOf(bytes.subarray(start, end));

  expect(part(walk.certificationRequestInfoStart, walk.certificationRequestInfoEnd)).toBe(
    hexOf((oracle as unknown as { tbs: ArrayBuffer }).tbs),
  );
  expect(part(walk.signatureStart, walk.signatureEnd)).toBe(hexOf(oracle.signature));
  expect(part(walk.subjectStart, walk.subjectEnd)).toBe(hexOf(oracle.subjectName.toArrayBuffer()));
  expectSameName(bytes, walk.subjectStart, walk.subjectEnd);
  expect(part(walk.subjectPKInfoStart, walk.subjectPKInfoEnd)).toBe(
    hexOf(oracle.publicKey.rawData),
  );
  expect(walk.attributeCount).toBe(oracle.attributes.length);
  expect(walk.hasChallengePassword).toBe(
    oracle.attributes.some((attribute) => attribute.type === oids.id_challengePassword),
  );

  const extensions =
    walk.extensionsStart < 0
      ? []
      : valueOf(readExtensions(bytes, walk.extensionsStart, walk.extensionsEnd));
  expect(
    extensions.map(({ oid, critical, valueStart, valueEnd }) => [
      oid,
      critical,
      part(valueStart, valueEnd),
    ]),
  ).toEqual(
    oracle.extensions.map((extension) => [
      extension.type,
      extension.critical,
      hexOf(extension.value),
    ]),
  );
  for (const extension of extensions) expectSameExtensionValue(bytes, extension);
}

/** The parts of the key, which node:crypto gives as a JWK. */
function expectSameKey(bytes: Uint8Array, walk: CertificationRequestWalk, key: TestKey): void {
  const jwk = createPublicKey(key.privateKey).export({ format: 'jwk' });
  const part = (start: number, end: number): string =>
    Buffer.from(bytes.subarray(start, end)).toString('base64url');
  switch (jwk.kty as string) {
    case 'RSA':
      expect(walk.keyAlgorithm).toBe('rsa');
      expect(part(walk.modulusStart, walk.modulusEnd)).toBe(jwk.n);
      expect(part(walk.exponentStart, walk.exponentEnd)).toBe(jwk.e);
      expect(walk.modulusBits).toBe(key.privateKey.asymmetricKeyDetails?.modulusLength);
      break;
    case 'EC': {
      expect(walk.keyAlgorithm).toBe(`ec-${jwk.crv?.toLowerCase().replace('-', '')}`);
      const middle = (walk.pointStart + 1 + walk.pointEnd) / 2;
      expect(part(walk.pointStart + 1, middle)).toBe(jwk.x);
      expect(part(middle, walk.pointEnd)).toBe(jwk.y);
      break;
    }
    default:
      expect(walk.keyAlgorithm).toBe('ed25519');
      expect(part(walk.pointStart, walk.pointEnd)).toBe(jwk.x);
  }
}

describe('walkCertificationRequest and @peculiar/x509', () => {
  const p256 = Array.from({ length: 8 }, () => anEcKey());
  const others = [anEcKey('P-384'), anEcKey('P-521'), anEd25519Key(), anRsaKey(), anRsaKey(3_072)];

  test(`see the same in ${REQUESTS} requests of any kind`, () => {
    const random = new SeededRandom(2_986);
    for (let count = 0; count < REQUESTS; count += 1) {
      const key = random.chance(0.9) ? random.pick(p256) : random.pick(others);
      const bytes = aCertificationRequest({
        key,
        subject: aRandomName(random),
        attributes: someRandomAttributes(random),
      });
      const walk = walked(bytes);
      expect(walk.signatureAlgorithm).toBe(key.signatureAlgorithm);
      expect(isSignedByItsKey(bytes, walk)).toBe(true);
      expectSameRequest(bytes, walk);
      expectSameKey(bytes, walk, key);
    }
  });

  test('see the same in requests that @peculiar/x509 made', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const random = new SeededRandom(17);
    const { KeyUsageFlags } = x509;
    const flags = [
      KeyUsageFlags.digitalSignature,
      KeyUsageFlags.keyAgreement,
      KeyUsageFlags.cRLSign,
    ];
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    for (let count = 0; count < 50; count += 1) {
      const request = await x509.Pkcs10CertificateRequestGenerator.create({
        name: `CN=device ${count}, O="Acme, Inc.", 2.5.4.5=${count}`,
        keys,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.KeyUsagesExtension(random.pick(flags), true),
          new x509.SubjectAlternativeNameExtension([
            { type: 'dns', value: `d${count}.example` },
            { type: 'ip', value: '2001:db8::1' },
          ]),
        ],
        attributes: [new x509.ChallengePasswordAttribute('secret')],
      });
      const bytes = new Uint8Array(request.rawData);
      const walk = walked(bytes);
      expect(isSignedByItsKey(bytes, walk)).toBe(true);
      expectSameRequest(bytes, walk);
    }
  });
});

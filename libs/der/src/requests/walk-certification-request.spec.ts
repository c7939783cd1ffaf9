import {
  concatBytes,
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeInteger,
  encodeNull,
  encodeOid,
  encodeSequence,
  encodeTlv,
} from '../encoding/der-encode.js';
import { keyIdentifier } from '../template/key-identifier.js';
import { oids } from '../encoding/oids.js';
import { readName } from '../names/read-name.js';
import { contextConstructed, tags } from '../encoding/tags.js';
import {
  aCertificationRequest,
  aName,
  aNameAttribute,
  anAttribute,
  anEcKey,
  anEd25519Key,
  anExtension,
  anExtensionRequest,
  anMlDsaKey,
  anRsaKey,
  type CertificationRequestParts,
  isSignedByItsKey,
} from '../testing/a-certification-request.js';
import {
  type CertificationRequestWalk,
  createCertificationRequestWalk,
  walkCertificationRequest,
} from './walk-certification-request.js';

function walkOf(bytes: Uint8Array): CertificationRequestWalk {
  const walk = createCertificationRequestWalk();
  const isWalked = walkCertificationRequest(bytes, 0, bytes.length, walk);
  expect(isWalked).toBe(walk.error === undefined);
  return walk;
}

function walkOfParts(parts: Partial<CertificationRequestParts>): CertificationRequestWalk {
  return walkOf(aCertificationRequest(parts));
}

const p256 = anEcKey();
const signature = Uint8Array.of(1, 2, 3);

/** A SubjectPublicKeyInfo of any content. */
function anSpki(algorithm: Uint8Array, key: Uint8Array): Uint8Array {
  return encodeSequence(algorithm, encodeBitString(key));
}

function anEcSpki(parameters: Uint8Array | undefined, point: Uint8Array): Uint8Array {
  return anSpki(encodeAlgorithmIdentifier(oids.id_ecPublicKey, parameters), point);
}

function aPoint(form: number, length: number): Uint8Array {
  const point = new Uint8Array(length).fill(7);
  if (length > 0) point[0] = form;
  return point;
}

// openssl req -new -subj "/CN=device-7" -addext "subjectAltName=DNS:a.example" (OpenSSL 3.0).
const opensslRequest = Buffer.from(
  '3081f530819c02010030133111300f06035504030c086465766963652d373059301306072a8648ce3d020106' +
    '082a8648ce3d03010703420004d96e7370b4a4365088841b9b7181e0ff1b6ba1ab3052e79e0eb5bf71f41ce1' +
    '237a3c6157f5d9b56e4c819918b2452c4dfc95e521f285e71397d98056c9fa05a2a027302506092a864886f7' +
    '0d01090e3118301630140603551d11040d300b8209612e6578616d706c65300a06082a8648ce3d0403020348' +
    '003045022100dd42ca8fe5d9a47aa9cd9a27cc308a6e9ea66217829d4badf8268152e3f4bc0502201033105e' +
    'fab4d01e0ae44bb3d68962dd04deda51fc1b054652f3e82aee653f7e',
  'hex',
);

describe('walkCertificationRequest', () => {
  test('finds every part of a request of OpenSSL at its exact offset', () => {
    expect(walkOf(opensslRequest)).toEqual({
      subjectPKInfoStart: 30,
      subjectPKInfoEnd: 121,
      keyAlgorithm: 'ec-p256',
      subjectPublicKeyStart: 56,
      subjectPublicKeyEnd: 121,
      pointStart: 56,
      pointEnd: 121,
      modulusStart: -1,
      modulusEnd: -1,
      modulusBits: 0,
      exponentStart: -1,
      exponentEnd: -1,
      certificationRequestInfoStart: 3,
      certificationRequestInfoEnd: 162,
      subjectStart: 9,
      subjectEnd: 30,
      attributeCount: 1,
      hasChallengePassword: false,
      extensionsStart: 138,
      extensionsEnd: 162,
      signatureAlgorithm: 'ecdsa-sha256',
      pssSaltLength: -1,
      signatureStart: 177,
      signatureEnd: 248,
      error: undefined,
      errorOffset: -1,
    });
  });

  test('gives offsets in the buffer that the request lies in', () => {
    const buffer = concatBytes([new Uint8Array(100), opensslRequest, new Uint8Array(100)]);
    const walk = createCertificationRequestWalk();
    expect(walkCertificationRequest(buffer, 100, 100 + opensslRequest.length, walk)).toBe(true);
    expect(walk.subjectStart).toBe(100 + walkOf(opensslRequest).subjectStart);
    expect(isSignedByItsKey(buffer, walk)).toBe(true);
  });

  test('reads a SharedArrayBuffer like any other', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(opensslRequest.length));
    shared.set(opensslRequest);
    const walk = walkOf(shared);
    expect(walk).toEqual(walkOf(opensslRequest));
    expect(readName(shared, walk.subjectStart, walk.subjectEnd)).toEqual(
      readName(opensslRequest, walk.subjectStart, walk.subjectEnd),
    );
    expect(keyIdentifier('sha1', shared, walk.subjectPKInfoStart, walk.subjectPKInfoEnd)).toEqual(
      keyIdentifier('sha1', opensslRequest, walk.subjectPKInfoStart, walk.subjectPKInfoEnd),
    );
  });

  test('leaves nothing behind in a walk that is used again', () => {
    const walk = createCertificationRequestWalk();
    const rich = aCertificationRequest({
      key: anRsaKey(),
      attributes: [
        anAttribute(oids.id_challengePassword, encodeTlv(tags.utf8String, Buffer.from('x'))),
        anExtensionRequest(anExtension(oids.id_ce_keyUsage, Uint8Array.of(3, 2, 7, 0x80))),
      ],
    });
    const plain = aCertificationRequest();
    const fresh = walkOf(plain);
    expect(walkCertificationRequest(rich, 0, rich.length, walk)).toBe(true);
    expect(walk).toMatchObject({ hasChallengePassword: true, attributeCount: 2 });
    expect(walkCertificationRequest(plain, 0, plain.length - 1, walk)).toBe(false);
    expect(walkCertificationRequest(plain, 0, plain.length, walk)).toBe(true);
    expect(walk).toEqual(fresh);
  });

  test('refuses a request over the limit of the caller', () => {
    const bytes = aCertificationRequest();
    const walk = createCertificationRequestWalk();
    expect(walkCertificationRequest(bytes, 0, bytes.length, walk, bytes.length)).toBe(true);
    expect(walkCertificationRequest(bytes, 0, bytes.length, walk, bytes.length - 1)).toBe(false);
    expect(walk).toMatchObject({ error: 'too-large', errorOffset: 0 });
  });
});

describe('keys', () => {
  test.each([
    ['ec-p256', anEcKey('P-256')],
    ['ec-p384', anEcKey('P-384')],
    ['ec-p521', anEcKey('P-521')],
    ['ec-unsupported-curve', anEcKey('secp256k1')],
    ['ed25519', anEd25519Key()],
    ['ml-dsa-44', anMlDsaKey('ml-dsa-44')],
    ['ml-dsa-65', anMlDsaKey('ml-dsa-65')],
    ['ml-dsa-87', anMlDsaKey('ml-dsa-87')],
    ['rsa', anRsaKey()],
  ])('%s', (keyAlgorithm, key) => {
    const bytes = aCertificationRequest({ key });
    const walk = walkOf(bytes);
    expect(walk).toMatchObject({ keyAlgorithm, signatureAlgorithm: key.signatureAlgorithm });
    const spki = bytes.subarray(walk.subjectPKInfoStart, walk.subjectPKInfoEnd);
    expect(Buffer.compare(spki, key.spki)).toBe(0);
    expect(isSignedByItsKey(bytes, walk)).toBe(true);
  });

  const curve = encodeOid(oids.secp256r1);
  test.each([
    ['a compressed point', curve, aPoint(2, 33), 'ec-compressed'],
    ['a compressed point', curve, aPoint(3, 33), 'ec-compressed'],
    ['a compressed point of the wrong length', curve, aPoint(3, 34), 'point-invalid'],
    ['a hybrid point', curve, aPoint(6, 65), 'point-invalid'],
    ['the point at infinity', curve, aPoint(0, 1), 'point-invalid'],
    ['no point', curve, aPoint(0, 0), 'point-invalid'],
    ['a short point', curve, aPoint(4, 64), 'point-invalid'],
    ['a long point', curve, aPoint(4, 66), 'point-invalid'],
    ['the point of another curve', encodeOid(oids.secp384r1), aPoint(4, 65), 'point-invalid'],
    ['brainpoolP256r1', encodeOid('1.3.36.3.3.2.8.1.1.7'), aPoint(4, 65), 'ec-unsupported-curve'],
    ['explicit parameters', encodeSequence(encodeInteger(1)), aPoint(4, 65), 'ec-explicit'],
    ['implicit parameters', encodeNull(), aPoint(4, 65), 'ec-explicit'],
  ])('%s is told apart', (_, parameters, point, keyAlgorithm) => {
    const walk = walkOfParts({ spki: anEcSpki(parameters, point), signature });
    expect(walk.error).toBeUndefined();
    expect(walk.keyAlgorithm).toBe(keyAlgorithm);
    expect(walk.pointEnd - walk.pointStart).toBe(point.length);
  });

  test('another algorithm is unsupported, an Ed25519 key of another length invalid', () => {
    const x25519 = anSpki(encodeAlgorithmIdentifier('1.3.101.110'), new Uint8Array(32));
    expect(walkOfParts({ spki: x25519, signature }).keyAlgorithm).toBe('unsupported');
    const long = anSpki(encodeAlgorithmIdentifier(oids.id_Ed25519), new Uint8Array(33));
    expect(walkOfParts({ spki: long, signature }).keyAlgorithm).toBe('point-invalid');
    const pssKey = encodeAlgorithmIdentifier(oids.id_RSASSA_PSS, encodeSequence());
    const pss = anSpki(pssKey, new Uint8Array(32));
    expect(walkOfParts({ spki: pss, signature }).keyAlgorithm).toBe('unsupported');
  });

  test('an ML-DSA key with the length of another parameter set is invalid', () => {
    const short = anSpki(encodeAlgorithmIdentifier(oids.id_ml_dsa_87), new Uint8Array(1_952));
    expect(walkOfParts({ spki: short, signature }).keyAlgorithm).toBe('ml-dsa-invalid');
    // RFC 9881 4: the raw key, not an OCTET STRING around it as early encoders had it.
    const wrapped = encodeTlv(tags.octetString, new Uint8Array(1_312));
    const nested = anSpki(encodeAlgorithmIdentifier(oids.id_ml_dsa_44), wrapped);
    expect(walkOfParts({ spki: nested, signature }).keyAlgorithm).toBe('ml-dsa-invalid');
  });

  const rsa = encodeAlgorithmIdentifier(oids.rsaEncryption, encodeNull());
  test.each([
    [[0x80], 8],
    [[0xff, 0xff], 16],
    [[0x01, 0x00], 9],
    [[0x7f], 7],
    [[0x01], 1],
  ])('an RSA modulus %j has %d bits', (modulus, modulusBits) => {
    const key = encodeSequence(encodeInteger(Uint8Array.from(modulus)), encodeInteger(65_537));
    const bytes = aCertificationRequest({ spki: anSpki(rsa, key), signature });
    const walk = walkOf(bytes);
    expect(walk).toMatchObject({ keyAlgorithm: 'rsa', modulusBits });
    expect([...bytes.subarray(walk.modulusStart, walk.modulusEnd)]).toEqual(modulus);
    expect([...bytes.subarray(walk.exponentStart, walk.exponentEnd)]).toEqual([1, 0, 1]);
  });

  const modulus = encodeInteger(Uint8Array.of(0xff, 0xff));
  test.each([
    ['a negative modulus', anSpki(rsa, encodeSequence(encodeInteger(-5), encodeInteger(3)))],
    ['a zero modulus', anSpki(rsa, encodeSequence(encodeInteger(0), encodeInteger(3)))],
    ['a negative exponent', anSpki(rsa, encodeSequence(modulus, encodeInteger(-3)))],
    ['a zero exponent', anSpki(rsa, encodeSequence(modulus, encodeInteger(0)))],
  ])('RSA with %s is refused', (_, spki) => {
    expect(walkOfParts({ spki, signature }).error).toBe('integer-out-of-range');
  });

  const key = encodeSequence(modulus, encodeInteger(3));
  const ecOid = encodeOid(oids.id_ecPublicKey);
  test.each([
    ['RSA without NULL', 'truncated', anSpki(encodeAlgorithmIdentifier(oids.rsaEncryption), key)],
    [
      'RSA with other parameters',
      'unexpected-tag',
      anSpki(encodeAlgorithmIdentifier(oids.rsaEncryption, encodeSequence()), key),
    ],
    [
      'RSA with two parameters',
      'bad-algorithm-parameters',
      anSpki(encodeSequence(encodeOid(oids.rsaEncryption), encodeNull(), encodeNull()), key),
    ],
    [
      'RSA with three integers',
      'trailing-bytes',
      anSpki(rsa, encodeSequence(modulus, encodeInteger(3), encodeInteger(3))),
    ],
    ['RSA with bytes after the key', 'trailing-bytes', anSpki(rsa, concatBytes([key, key]))],
    ['RSA with one integer', 'truncated', anSpki(rsa, encodeSequence(modulus))],
    ['EC without parameters', 'bad-algorithm-parameters', anEcSpki(undefined, aPoint(4, 65))],
    [
      'EC with two parameters',
      'bad-algorithm-parameters',
      anSpki(encodeSequence(ecOid, curve, encodeNull()), aPoint(4, 65)),
    ],
    [
      'Ed25519 with NULL',
      'bad-algorithm-parameters',
      anSpki(encodeAlgorithmIdentifier(oids.id_Ed25519, encodeNull()), new Uint8Array(32)),
    ],
    [
      'ML-DSA with NULL',
      'bad-algorithm-parameters',
      anSpki(encodeAlgorithmIdentifier(oids.id_ml_dsa_65, encodeNull()), new Uint8Array(1_952)),
    ],
    [
      'a BIT STRING that is not of whole octets',
      'bad-bit-string',
      encodeSequence(
        encodeAlgorithmIdentifier(oids.id_Ed25519),
        encodeTlv(tags.bitString, Uint8Array.of(1, 0x80)),
      ),
    ],
    [
      'a third element',
      'trailing-bytes',
      encodeSequence(
        encodeAlgorithmIdentifier(oids.id_Ed25519),
        encodeBitString(new Uint8Array(32)),
        encodeNull(),
      ),
    ],
  ])('%s is refused as %s', (_, error, spki) => {
    expect(walkOfParts({ spki, signature }).error).toBe(error);
  });
});

describe('signature algorithms', () => {
  const anHash = (oid: string): Uint8Array => encodeAlgorithmIdentifier(oid, encodeNull());
  const aPss = (hash: string, maskHash: string, salt?: number, more?: Uint8Array): Uint8Array =>
    encodeAlgorithmIdentifier(
      oids.id_RSASSA_PSS,
      encodeSequence(
        encodeTlv(contextConstructed(0), anHash(hash)),
        encodeTlv(contextConstructed(1), encodeAlgorithmIdentifier(oids.id_mgf1, anHash(maskHash))),
        ...(salt === undefined ? [] : [encodeTlv(contextConstructed(2), encodeInteger(salt))]),
        ...(more === undefined ? [] : [more]),
      ),
    );
  const plain = (oid: string): Uint8Array => encodeAlgorithmIdentifier(oid);

  test.each([
    ['ecdsa-sha1', plain(oids.ecdsa_with_SHA1)],
    ['ecdsa-sha224', plain(oids.ecdsa_with_SHA224)],
    ['ecdsa-sha256', plain(oids.ecdsa_with_SHA256)],
    ['ecdsa-sha384', plain(oids.ecdsa_with_SHA384)],
    ['ecdsa-sha512', plain(oids.ecdsa_with_SHA512)],
    ['ed25519', plain(oids.id_Ed25519)],
    ['ml-dsa-44', plain(oids.id_ml_dsa_44)],
    ['ml-dsa-65', plain(oids.id_ml_dsa_65)],
    ['ml-dsa-87', plain(oids.id_ml_dsa_87)],
    ['rsa-md2', anHash(oids.md2WithRSAEncryption)],
    ['rsa-md5', anHash(oids.md5WithRSAEncryption)],
    ['rsa-sha1', anHash(oids.sha1WithRSAEncryption)],
    ['rsa-sha1', plain(oids.sha1WithRSASignature)],
    ['rsa-sha224', anHash(oids.sha224WithRSAEncryption)],
    ['rsa-sha256', anHash(oids.sha256WithRSAEncryption)],
    ['rsa-sha256', plain(oids.sha256WithRSAEncryption)],
    ['rsa-sha384', anHash(oids.sha384WithRSAEncryption)],
    ['rsa-sha512', anHash(oids.sha512WithRSAEncryption)],
    ['rsa-pss-sha256', aPss(oids.id_sha256, oids.id_sha256, 32)],
    ['rsa-pss-sha384', aPss(oids.id_sha384, oids.id_sha384, 48)],
    ['rsa-pss-sha512', aPss(oids.id_sha512, oids.id_sha512, 64)],
    ['rsa-pss-sha256', aPss(oids.id_sha256, oids.id_sha256, 222)],
    ['rsa-pss-sha256', aPss(oids.id_sha256, oids.id_sha256)],
    ['unsupported', aPss(oids.id_sha256, oids.id_sha384, 32)],
    ['unsupported', aPss('1.3.14.3.2.26', '1.3.14.3.2.26', 20)],
    ['unsupported', aPss(oids.id_sha256, oids.id_sha256, 70_000)],
    ['unsupported', aPss(oids.id_sha256, oids.id_sha256, -1)],
    ['unsupported', aPss(oids.id_sha256, oids.id_sha256, 32, encodeTlv(0xa3, encodeInteger(2)))],
    ['unsupported', encodeAlgorithmIdentifier(oids.id_RSASSA_PSS, encodeSequence())],
    ['unsupported', plain('1.2.840.113549.1.1.3')],
    ['unsupported', encodeAlgorithmIdentifier('1.2.3.4', encodeSequence(encodeNull()))],
  ])('%s (case %#)', (signatureAlgorithm, signatureAlgorithmDer) => {
    const walk = walkOfParts({ signatureAlgorithmDer, signature });
    expect(walk).toMatchObject({ error: undefined, signatureAlgorithm });
  });

  test('the salt length of RSA-PSS is reported, 20 where it is left out', () => {
    const saltOf = (salt?: number): number =>
      walkOfParts({
        signatureAlgorithmDer: aPss(oids.id_sha256, oids.id_sha256, salt),
        signature,
      }).pssSaltLength;
    expect([saltOf(0), saltOf(32), saltOf(222), saltOf()]).toEqual([0, 32, 222, 20]);
    expect(walkOf(aCertificationRequest()).pssSaltLength).toBe(-1);
  });

  test.each([
    ['Ed25519 with NULL', anHash(oids.id_Ed25519), 'bad-algorithm-parameters'],
    ['ML-DSA with NULL', anHash(oids.id_ml_dsa_44), 'bad-algorithm-parameters'],
    [
      'RSA with an OCTET STRING',
      encodeAlgorithmIdentifier(oids.sha256WithRSAEncryption, Uint8Array.of(4, 0)),
      'bad-algorithm-parameters',
    ],
    [
      'RSA with a NULL that is not empty',
      encodeAlgorithmIdentifier(oids.sha256WithRSAEncryption, Uint8Array.of(5, 1, 0)),
      'bad-null',
    ],
    [
      'RSA with two NULLs',
      encodeSequence(encodeOid(oids.sha256WithRSAEncryption), encodeNull(), encodeNull()),
      'bad-algorithm-parameters',
    ],
    ['PSS without parameters', plain(oids.id_RSASSA_PSS), 'bad-algorithm-parameters'],
    ['PSS with NULL', anHash(oids.id_RSASSA_PSS), 'unexpected-tag'],
    [
      'PSS with bytes that are no DER',
      encodeAlgorithmIdentifier(oids.id_RSASSA_PSS, encodeSequence(Uint8Array.of(0xa0, 1, 0))),
      'truncated',
    ],
    [
      'an unknown one with two parameters',
      encodeSequence(encodeOid('1.2.3'), encodeNull(), encodeNull()),
      'trailing-bytes',
    ],
  ])('%s is refused', (_, signatureAlgorithmDer, error) => {
    expect(walkOfParts({ signatureAlgorithmDer, signature }).error).toBe(error);
  });
});

describe('the subject', () => {
  const cn = aNameAttribute(oids.id_at_commonName, tags.utf8String, 'a');
  const ou = aNameAttribute(oids.id_at_organizationalUnitName, tags.utf8String, 'a');
  const rdn = (...attributes: Uint8Array[]): Uint8Array => encodeTlv(tags.set, ...attributes);

  test.each([
    ['an empty Name', encodeSequence(), undefined],
    ['a multi-valued RDN in DER order', encodeSequence(rdn(cn, ou)), undefined],
    ['a multi-valued RDN out of order', encodeSequence(rdn(ou, cn)), 'set-not-sorted'],
    ['an empty RDN', encodeSequence(rdn()), 'empty-set'],
    ['an RDN that is a SEQUENCE', encodeSequence(encodeSequence(cn)), 'unexpected-tag'],
    [
      'an attribute without value',
      encodeSequence(rdn(encodeSequence(encodeOid('2.5.4.3')))),
      'truncated',
    ],
    [
      'an attribute with two values',
      encodeSequence(rdn(encodeSequence(encodeOid('2.5.4.3'), encodeNull(), encodeNull()))),
      'trailing-bytes',
    ],
    ['a Name that is a SET', rdn(), 'unexpected-tag'],
  ])('%s', (_, subject, error) => {
    expect(walkOfParts({ subject }).error).toBe(error);
  });

  test('lies where the walk says', () => {
    const subject = aName([oids.id_at_organizationName, 'Acme'], [oids.id_at_commonName, 'x']);
    const bytes = aCertificationRequest({ subject });
    const walk = walkOf(bytes);
    expect(Buffer.compare(bytes.subarray(walk.subjectStart, walk.subjectEnd), subject)).toBe(0);
  });
});

describe('the version', () => {
  test.each([
    [encodeInteger(1), 'version-unsupported'],
    [encodeInteger(-1), 'version-unsupported'],
    [encodeInteger(256), 'version-unsupported'],
    [Uint8Array.of(2, 2, 0, 0), 'integer-not-minimal'],
    [Uint8Array.of(2, 0), 'integer-not-minimal'],
  ])('case %#', (version, error) => {
    expect(walkOfParts({ version }).error).toBe(error);
  });
});

describe('attributes', () => {
  const san = anExtension(
    oids.id_ce_subjectAltName,
    encodeSequence(encodeTlv(0x82, Buffer.from('a.b'))),
  );
  const password = anAttribute(
    oids.id_challengePassword,
    encodeTlv(tags.printableString, Buffer.from('secret')),
  );
  const name = anAttribute(oids.id_unstructuredName, encodeTlv(tags.ia5String, Buffer.from('n')));

  test('may be left out, as old encoders do', () => {
    const walk = walkOfParts({ attributes: undefined });
    expect(walk).toMatchObject({ error: undefined, attributeCount: 0, extensionsStart: -1 });
  });

  test('may come in any order', () => {
    for (const attributes of [
      [password, name, anExtensionRequest(san)],
      [anExtensionRequest(san), name, password],
      [name, anExtensionRequest(san), password],
    ]) {
      const bytes = aCertificationRequest({ attributes });
      const walk = walkOf(bytes);
      expect(walk).toMatchObject({
        error: undefined,
        attributeCount: 3,
        hasChallengePassword: true,
      });
      const extensions = bytes.subarray(walk.extensionsStart, walk.extensionsEnd);
      expect(Buffer.compare(extensions, encodeSequence(san))).toBe(0);
    }
  });

  test("Microsoft's extension attribute counts as extensionRequest", () => {
    const microsoft = anAttribute(oids.ms_certExtensions, encodeSequence(san));
    expect(walkOfParts({ attributes: [microsoft] }).extensionsStart).toBeGreaterThan(0);
    const both = walkOfParts({ attributes: [microsoft, anExtensionRequest(san)] });
    expect(both.error).toBe('duplicate-attribute');
  });

  test.each([
    [
      'two extensionRequests',
      [anExtensionRequest(san), anExtensionRequest(san)],
      'duplicate-attribute',
    ],
    [
      'an extensionRequest with two values',
      [anAttribute(oids.id_extensionRequest, encodeSequence(san), encodeSequence(san))],
      'trailing-bytes',
    ],
    ['an extensionRequest without value', [anAttribute(oids.id_extensionRequest)], 'empty-set'],
    ['an attribute without value', [anAttribute('1.2.3')], 'empty-set'],
    ['an attribute with two values', [anAttribute('1.2.3', encodeNull(), encodeNull())], undefined],
    ['an attribute that is a SET', [encodeTlv(tags.set, encodeOid('1.2.3'))], 'unexpected-tag'],
    [
      'a value that is BER',
      [anAttribute('1.2.3', Uint8Array.of(0x30, 0x80, 0, 0))],
      'indefinite-length',
    ],
    [
      'an attribute with a third element',
      [encodeSequence(encodeOid('1.2.3'), encodeTlv(tags.set, encodeNull()), encodeNull())],
      'trailing-bytes',
    ],
    ['an empty extensionRequest', [anExtensionRequest()], undefined],
    [
      'critical TRUE and, though BER, FALSE',
      [
        anExtensionRequest(
          anExtension('1.2.3', encodeNull(), true),
          anExtension('1.2.4', encodeNull(), false),
        ),
      ],
      undefined,
    ],
    [
      'critical 01',
      [anExtensionRequest(encodeSequence(encodeOid('1.2.3'), Uint8Array.of(1, 1, 1, 4, 0)))],
      'bad-boolean',
    ],
    [
      'an extension with bytes after its value',
      [anExtensionRequest(encodeSequence(encodeOid('1.2.3'), Uint8Array.of(4, 0, 5, 0)))],
      'trailing-bytes',
    ],
    [
      'an extension without value',
      [anExtensionRequest(encodeSequence(encodeOid('1.2.3')))],
      'truncated',
    ],
  ])('%s', (_, attributes, error) => {
    expect(walkOfParts({ attributes }).error).toBe(error);
  });

  test('are the last part of what is signed', () => {
    const emptyAttributes = encodeTlv(contextConstructed(0));
    const walk = walkOfParts({ spki: concatBytes([p256.spki, emptyAttributes]), key: p256 });
    expect(walk.error).toBe('trailing-bytes');
    const other = walkOfParts({ spki: concatBytes([p256.spki, encodeNull()]), key: p256 });
    expect(other.error).toBe('unexpected-tag');
  });

  test('nested without end are refused', () => {
    let value: Uint8Array = encodeNull();
    for (let level = 0; level < 1_000; level += 1) value = encodeSequence(value);
    expect(walkOfParts({ attributes: [anAttribute('1.2.3', value)] }).error).toBe('too-deep');
  });
});

describe('the frame', () => {
  const [info, algorithm] = [
    opensslRequest.subarray(
      walkOf(opensslRequest).certificationRequestInfoStart,
      walkOf(opensslRequest).certificationRequestInfoEnd,
    ),
    p256.signatureAlgorithmDer,
  ];
  const bits = encodeBitString(signature);

  test.each([
    ['nothing', new Uint8Array(0), 'truncated'],
    ['bytes after it', concatBytes([opensslRequest, Uint8Array.of(0)]), 'trailing-bytes'],
    ['a fourth element', encodeSequence(info, algorithm, bits, encodeNull()), 'trailing-bytes'],
    ['no signature', encodeSequence(info, algorithm), 'truncated'],
    ['no algorithm', encodeSequence(info), 'truncated'],
    ['an empty SEQUENCE', encodeSequence(), 'truncated'],
    [
      'a signature in an OCTET STRING',
      encodeSequence(info, algorithm, Uint8Array.of(4, 0)),
      'unexpected-tag',
    ],
    [
      'a signature that is not of whole octets',
      encodeSequence(info, algorithm, Uint8Array.of(3, 2, 4, 0xf0)),
      'bad-bit-string',
    ],
    [
      'an outer SET',
      concatBytes([Uint8Array.of(0x31), opensslRequest.subarray(1)]),
      'unexpected-tag',
    ],
    [
      'an indefinite length',
      concatBytes([Uint8Array.of(0x30, 0x80), info, algorithm, bits, Uint8Array.of(0, 0)]),
      'indefinite-length',
    ],
  ])('%s is refused', (_, bytes, error) => {
    expect(walkOf(bytes).error).toBe(error);
  });
});

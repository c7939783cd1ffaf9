import { hash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import {
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeBoolean,
  encodeInteger,
  encodeNamedBits,
  encodeNull,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  oids,
  tags,
} from '@certmill/der';
import { rejectionCodeOf, rejectionNumber, type Profile } from '@certmill/domain';
import type { Examination } from '@certmill/ports';
import { examineChunk } from './examine-chunk.js';
import {
  aChunk,
  aCsr,
  aName,
  aProfile,
  aRsaKey,
  attribute,
  derOf,
  ecSigner,
  ed25519Signer,
  examine,
  extension,
  hardwareSan,
  mlDsaSigner,
  pssSigner,
  rsaSigner,
  rsaSpki,
  signerOf,
} from './testing/a-csr.js';
import { readBlocklist } from './weak-keys/blocklist.js';

const testData = new URL('../../test-data/validate/', import.meta.url);
const cn = (value: string | Uint8Array, tag?: number): Uint8Array =>
  attribute(oids.id_at_commonName, value, tag);
const hwType = '1.3.6.1.4.1.32473.1';

/** Takes everything that a profile can take from a request. */
const takesAll = aProfile({
  subject: [
    {
      type: 'organizationName',
      encoding: 'utf8',
      value: { from: ['csr.subject.organizationName'], required: false },
    },
    {
      type: 'serialNumber',
      encoding: 'printable',
      value: { from: ['csr.subject.serialNumber'], required: false },
    },
  ],
  extensions: {
    subjectAltName: {
      critical: false,
      names: [
        {
          type: 'hardwareModuleName',
          hwType,
          hex: true,
          value: { from: ['csr.san.hardwareSerialNumber'], required: false },
        },
      ],
    },
  },
});
const strict = aProfile({
  csr: { otherSubjectAttributes: 'reject', ignoredExtensions: [] },
});

function verdictOn(examination: Examination, index = 0): string {
  const code = rejectionCodeOf(examination.codes[index] ?? 0) ?? 'accepted';
  return `${code}: ${examination.details[index] ?? ''}`;
}

function corrupted(request: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(request);
  copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1;
  return copy;
}

function offCurve(): Uint8Array {
  const { spki } = ecSigner();
  const copy = Uint8Array.from(spki);
  copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1;
  return copy;
}

const certificateAuthority = encodeSequence(encodeBoolean(true));

const rejected: readonly (readonly [string, Uint8Array, Profile, RegExp])[] = [
  ['nothing', new Uint8Array(0), aProfile(), /^CSR_DER_MALFORMED: at offset 0 of the request/],
  ['a byte too many', Buffer.concat([aCsr(), Buffer.of(0)]), aProfile(), /^CSR_DER_MALFORMED/],
  ['a cut request', aCsr().subarray(0, 80), aProfile(), /^CSR_DER_MALFORMED/],
  [
    'malformed basicConstraints',
    aCsr({ extensions: [extension(oids.id_ce_basicConstraints, Buffer.of(0x30, 1))] }),
    aProfile(),
    /^CSR_DER_MALFORMED: .*basicConstraints/,
  ],
  ['a wrong signature', corrupted(aCsr()), aProfile(), /^CSR_POP_INVALID: the ecdsa-sha256/],
  [
    'a signature that is no DER',
    aCsr({ signature: randomBytes(70) }),
    aProfile(),
    /^CSR_POP_INVALID/,
  ],
  ['an empty signature', aCsr({ signature: Buffer.of() }), aProfile(), /^CSR_POP_INVALID/],
  ['the key of another device', aCsr({ spki: ecSigner().spki }), aProfile(), /^CSR_POP_INVALID/],
  [
    'a PSS salt of another length than stated',
    aCsr({ signer: pssSigner('sha256', 32, 20) }),
    aProfile(),
    /^CSR_POP_INVALID/,
  ],
  [
    'SHA-1',
    aCsr({ signer: rsaSigner('sha1') }),
    aProfile(),
    /^CSR_SIGALG_FORBIDDEN: .*rsa-sha1; use one of sha256/,
  ],
  [
    'a hash that the profile does not list',
    aCsr({ signer: ecSigner('P-384') }),
    aProfile({ signatureHashes: ['sha256'] }),
    /^CSR_SIGALG_FORBIDDEN: .*accepts sha256/,
  ],
  [
    'an RSA signature on an EC key',
    aCsr({ algorithmDer: encodeAlgorithmIdentifier(oids.sha256WithRSAEncryption, encodeNull()) }),
    aProfile(),
    /^CSR_SIGALG_FORBIDDEN: .*does not fit its key/,
  ],
  [
    'an Ed25519 signature on an EC key',
    aCsr({ algorithmDer: encodeAlgorithmIdentifier(oids.id_Ed25519) }),
    aProfile(),
    /^CSR_SIGALG_FORBIDDEN: .*does not fit its key/,
  ],
  [
    'an ML-DSA signature of another parameter set than the key',
    aCsr({ signer: mlDsaSigner(), algorithmDer: encodeAlgorithmIdentifier(oids.id_ml_dsa_65) }),
    aProfile({ keys: [{ type: 'ml-dsa-44' }] }),
    /^CSR_SIGALG_FORBIDDEN: .*does not fit its key/,
  ],
  [
    'an ML-DSA key where the profile has another parameter set',
    aCsr({ signer: mlDsaSigner('ml-dsa-65') }),
    aProfile({ keys: [{ type: 'ml-dsa-44' }, { type: 'ml-dsa-87' }] }),
    /^KEY_ALGORITHM_FORBIDDEN: the key is ml-dsa-65; the profile accepts ml-dsa-44, ml-dsa-87/,
  ],
  [
    'an ML-DSA key that is too short',
    aCsr({
      signer: mlDsaSigner(),
      spki: encodeSequence(
        encodeAlgorithmIdentifier(oids.id_ml_dsa_44),
        encodeBitString(new Uint8Array(1_311)),
      ),
    }),
    aProfile({ keys: [{ type: 'ml-dsa-44' }] }),
    /^KEY_ALGORITHM_FORBIDDEN: .*length of its parameter set/,
  ],
  [
    'an ML-DSA signature over something else',
    aCsr({ signer: mlDsaSigner(), signature: new Uint8Array(2_420) }),
    aProfile({ keys: [{ type: 'ml-dsa-44' }] }),
    /^CSR_POP_INVALID: /,
  ],
  [
    'an ML-DSA signature that is too long',
    aCsr({ signer: mlDsaSigner(), signature: new Uint8Array(4_627) }),
    aProfile({ keys: [{ type: 'ml-dsa-44' }] }),
    /^CSR_POP_INVALID: /,
  ],
  [
    'an EC key where the profile wants RSA',
    aCsr(),
    aProfile({ keys: [{ type: 'rsa', minBits: 2_048, maxBits: 4_096 }] }),
    /^KEY_ALGORITHM_FORBIDDEN: the key is ec-p256; the profile accepts rsa with 2048 to 4096 bits/,
  ],
  [
    'an RSA key that is too large',
    aCsr({ signer: rsaSigner() }),
    aProfile({ keys: [{ type: 'rsa', minBits: 1_024, maxBits: 2_047 }] }),
    /^KEY_ALGORITHM_FORBIDDEN: the key is rsa with 2048 bits/,
  ],
  [
    'an EC point off its curve',
    aCsr({ spki: offCurve() }),
    aProfile(),
    /^KEY_COMPROMISED: .*curve/,
  ],
  [
    'an RSA modulus with small factors',
    aCsr({
      signer: rsaSigner(),
      spki: rsaSpki(BigInt(`0x${'f'.repeat(512)}`)),
    }),
    aProfile(),
    /^KEY_COMPROMISED: the modulus is divisible by 3/,
  ],
  [
    'an Ed25519 key of small order, whose signatures anyone can make',
    aCsr({
      signer: ed25519Signer(),
      spki: encodeSequence(
        encodeAlgorithmIdentifier(oids.id_Ed25519),
        encodeBitString(Buffer.from(`01${'00'.repeat(31)}`, 'hex')),
      ),
      signature: Buffer.from(`01${'00'.repeat(63)}`, 'hex'),
    }),
    aProfile(),
    /^KEY_COMPROMISED: .*small order/,
  ],
  [
    'invalid UTF-8',
    aCsr({ subject: aName(cn(Buffer.of(0x64, 0xc3, 0x28))) }),
    aProfile(),
    /^SUBJECT_MISMATCH: .*characters or octets/,
  ],
  [
    'control characters in an attribute that nobody takes',
    aCsr({ subject: aName(cn('device-1'), attribute(oids.id_at_title, 'a\u001b[31mb')) }),
    aProfile(),
    /^SUBJECT_MISMATCH: title of the subject, 'a\ufffd\[31mb', has control characters/,
  ],
  [
    'two common names',
    aCsr({ subject: aName(cn('device-1'), cn('device-2')) }),
    aProfile(),
    /^SUBJECT_MISMATCH: .*more than once/,
  ],
  [
    'a multi-valued RDN',
    aCsr({
      subject: encodeSequence(
        encodeSetOf(cn('device-1'), attribute(oids.id_at_serialNumber, '1', tags.printableString)),
      ),
    }),
    aProfile(),
    /^SUBJECT_MISMATCH: .*multi-valued/,
  ],
  [
    'a common name that is no string',
    aCsr({ subject: aName(cn(Buffer.of(7), tags.integer)) }),
    aProfile(),
    /^SUBJECT_MISMATCH: .*not a string/,
  ],
  [
    'a device id that is too long',
    aCsr({ subject: aName(cn('x'.repeat(129))) }),
    aProfile(),
    /^SUBJECT_MISMATCH: .*129 characters: at most 128/,
  ],
  [
    'an attribute that the profile does not take',
    aCsr({ subject: aName(cn('device-1'), attribute(oids.id_at_organizationName, 'Acme')) }),
    strict,
    /^SUBJECT_MISMATCH: the subject has organizationName 'Acme'/,
  ],
  [
    'a subjectAltName that the profile does not take',
    aCsr({ extensions: [extension(oids.id_ce_subjectAltName, Buffer.from('30038201 61', 'hex'))] }),
    strict,
    /^SAN_FORBIDDEN/,
  ],
  [
    'a hardwareModuleName of another type',
    aCsr({
      extensions: [
        extension(
          oids.id_ce_subjectAltName,
          encodeSequence(hardwareSan('1.2.3', Buffer.from('01', 'hex'))),
        ),
      ],
    }),
    takesAll,
    /^SAN_FORBIDDEN: .*hwType 1\.2\.3: the profile expects 1\.3\.6\.1\.4\.1\.32473\.1/,
  ],
  [
    'two hardwareModuleNames',
    aCsr({
      extensions: [
        extension(
          oids.id_ce_subjectAltName,
          encodeSequence(hardwareSan(hwType, Buffer.of(1)), hardwareSan(hwType, Buffer.of(2))),
        ),
      ],
    }),
    takesAll,
    /^SAN_FORBIDDEN: .*more than one/,
  ],
  [
    'an unreadable subjectAltName',
    aCsr({ extensions: [extension(oids.id_ce_subjectAltName, Buffer.of(0x30, 0))] }),
    takesAll,
    /^SAN_FORBIDDEN: .*cannot be read/,
  ],
  [
    'to be a CA, though the profile ignores basicConstraints',
    aCsr({ extensions: [extension(oids.id_ce_basicConstraints, certificateAuthority)] }),
    aProfile(),
    /^EXTENSION_FORBIDDEN: .*cA TRUE/,
  ],
  [
    'keyCertSign, though the profile ignores keyUsage',
    aCsr({ extensions: [extension(oids.id_ce_keyUsage, encodeNamedBits([0, 5]))] }),
    aProfile(),
    /^EXTENSION_FORBIDDEN: .*keyCertSign/,
  ],
  [
    'an extension that the profile does not know',
    aCsr({ extensions: [extension('1.2.3.4', Buffer.of(5, 0))] }),
    aProfile(),
    /^EXTENSION_FORBIDDEN: .*the extension 1\.2\.3\.4/,
  ],
  [
    'the same extension twice',
    aCsr({
      extensions: [
        extension(oids.id_ce_keyUsage, encodeNamedBits([0])),
        extension(oids.id_ce_keyUsage, encodeNamedBits([0])),
      ],
    }),
    aProfile(),
    /^EXTENSION_FORBIDDEN: .*twice/,
  ],
];

describe('examineChunk', () => {
  it.each(rejected)('rejects %s', (_, request, profile, expected) => {
    // Beside good neighbours, which it must not harm.
    const good = aCsr();
    const examination = examine([good, request, good], profile);
    expect(verdictOn(examination, 1)).toMatch(expected);
    expect(examination.details[1]?.length).toBeLessThanOrEqual(300);
    const alone = verdictOn(examine([good], profile));
    expect(verdictOn(examination, 0)).toBe(alone);
    expect(verdictOn(examination, 2)).toBe(alone);
  });

  it('rejects what is over the size limit, and takes what is at it', () => {
    const request = aCsr();
    const limits = { maxRequestBytes: request.length };
    expect(verdictOn(examine([request], aProfile(), { limits }))).toBe('accepted: ');
    limits.maxRequestBytes -= 1;
    expect(verdictOn(examine([request], aProfile(), { limits }))).toMatch(
      /^CSR_TOO_LARGE: .*bytes/,
    );
  });

  it('rejects keys on the blocklist: a real weak key of Debian', () => {
    const blocklist = readBlocklist(new URL('weak-keys/blocklist.txt', testData).pathname);
    const pem = readFileSync(new URL('weak-keys/debian-weak.pub.pem', testData), 'utf8');
    const request = aCsr({ spki: derOf(pem) });
    expect(verdictOn(examine([request]))).toMatch(/^CSR_POP_INVALID/);
    const listed = examine([request, aCsr()], aProfile(), { blocklist });
    expect(verdictOn(listed)).toMatch(/^KEY_COMPROMISED: .*blocklist/);
    expect(verdictOn(listed, 1)).toBe('accepted: ');
  });

  it('rejects a real key with the fingerprint of ROCA', () => {
    const pem = readFileSync(new URL('weak-keys/roca-vulnerable.csr.pem', testData), 'utf8');
    const largerKeys = aProfile({ keys: [{ type: 'rsa', minBits: 2_048, maxBits: 4_096 }] });
    expect(verdictOn(examine([derOf(pem)], largerKeys))).toMatch(/^KEY_COMPROMISED: .*ROCA/);
  });

  it('accepts ML-DSA requests of every parameter set that the profile lists', () => {
    const sets = ['ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87'] as const;
    const requests = sets.map((set) => aCsr({ signer: mlDsaSigner(set) }));
    const examination = examine(requests, aProfile({ keys: sets.map((type) => ({ type })) }));
    expect(sets.map((_, index) => verdictOn(examination, index))).toEqual(
      sets.map(() => 'accepted: '),
    );
  });

  it('accepts every kind of key and signature that tls-client lists', () => {
    const requests = [
      ...(['P-256', 'P-384', 'P-521'] as const).map((curve) => aCsr({ signer: ecSigner(curve) })),
      aCsr({ signer: ed25519Signer() }),
      ...(['sha256', 'sha384', 'sha512'] as const).map((name) => aCsr({ signer: rsaSigner(name) })),
      aCsr({ signer: pssSigner('sha256', 32) }),
      aCsr({ signer: pssSigner('sha384', 48) }),
      aCsr({ signer: pssSigner('sha512', 20) }),
      aCsr({ signer: signerOf(aRsaKey(), oids.sha256WithRSAEncryption, 'sha256') }),
      aCsr({ signer: signerOf(ecSigner('P-521').privateKey, oids.ecdsa_with_SHA256, 'sha256') }),
    ];
    const examination = examine(requests);
    expect(requests.map((_, index) => verdictOn(examination, index))).toEqual(
      requests.map(() => 'accepted: '),
    );
  });

  const files = readdirSync(new URL('openssl/', testData));
  it.each(files)('judges %s of OpenSSL as its name says', (file) => {
    const der = derOf(readFileSync(new URL(`openssl/${file}`, testData), 'utf8'));
    const verdict = verdictOn(examine([der]));
    if (!file.startsWith('refused-')) expect(verdict).toBe('accepted: ');
    else if (/sha1|md5|sha224/.test(file)) expect(verdict).toMatch(/^CSR_SIGALG_FORBIDDEN/);
    else if (file.includes('exponent'))
      expect(verdict).toMatch(/^KEY_COMPROMISED: .*exponent is 3/);
    else expect(verdict).toMatch(/KEY_ALGORITHM_FORBIDDEN/);
    if (file.includes('explicit')) expect(verdict).toMatch(/explicit parameters/);
    if (file.includes('compressed')) expect(verdict).toMatch(/point is compressed/);
  });

  it('has fixtures of OpenSSL', () => {
    expect(files).toHaveLength(21);
  });

  it('names the first defect in the order of the catalogue, and the codes of the others', () => {
    const request = aCsr({
      signer: rsaSigner('sha1'),
      subject: aName(cn('a\u0000b')),
      extensions: [
        extension(oids.id_ce_basicConstraints, certificateAuthority),
        extension('1.2.3', Buffer.of(5, 0)),
      ],
    });
    expect(verdictOn(examine([request]))).toBe(
      'CSR_SIGALG_FORBIDDEN: the request is signed with rsa-sha1; ' +
        'use one of sha256, sha384, sha512; also SUBJECT_MISMATCH, EXTENSION_FORBIDDEN',
    );
  });

  it('does not look at the signature of a request that has another defect', () => {
    const request = corrupted(aCsr({ extensions: [extension('1.2.3', Buffer.of(5, 0))] }));
    expect(verdictOn(examine([request]))).toMatch(/^EXTENSION_FORBIDDEN: [^;]*$/);
  });

  it('carries the rejections of ingest over and goes on behind them', () => {
    const good = aCsr();
    const chunk = aChunk([good, new Uint8Array(0), good], {
      rejections: [0, rejectionNumber('PRIVATE_KEY_SUBMITTED'), 0],
      rejectionDetails: ['', 'a private key', ''],
      deviceIds: ['device-1', 'device-2', 'device-1'],
    });
    const examination = examineChunk(chunk, aProfile());
    expect([0, 1, 2].map((index) => verdictOn(examination, index))).toEqual([
      'accepted: ',
      'PRIVATE_KEY_SUBMITTED: a private key',
      'accepted: ',
    ]);
    expect(examination.deviceIds).toEqual(['device-1', 'device-2', 'device-1']);
    expect(Buffer.from(examination.udids.subarray(32, 64))).toEqual(Buffer.alloc(32));
  });

  it('tells the UDID: SHA-256 of the SubjectPublicKeyInfo, zeros where there is none', () => {
    const signers = [ecSigner(), ed25519Signer(), rsaSigner()];
    const requests = signers.map((signer) => aCsr({ signer }));
    const { udids } = examine([...requests, Buffer.of(1)]);
    const expected = signers.map(({ spki }) => hash('sha256', spki, 'buffer'));
    expect(Buffer.from(udids)).toEqual(Buffer.concat([...expected, Buffer.alloc(32)]));
  });

  it('does not keep the chunk alive: its result shares no memory with it', () => {
    const chunk = aChunk([aCsr()]);
    const examination = examineChunk(chunk, aProfile());
    const before = Buffer.from(examination.udids);
    chunk.requestsDer.fill(0);
    expect(Buffer.from(examination.udids)).toEqual(before);
  });
});

describe('the device id', () => {
  const byName = (deviceId: string, subject: Uint8Array, profile = aProfile()): Examination =>
    examineChunk(aChunk([aCsr({ subject })], { deviceIds: [deviceId] }), profile);

  it('is that of the upload, or comes from the request where the profile says so', () => {
    expect(byName('', aName(cn('device-7'))).deviceIds).toEqual(['device-7']);
    expect(byName('device-7', aName()).deviceIds).toEqual(['device-7']);
    expect(byName('', aName()).deviceIds).toEqual(['']);
    const fromNowhere = aProfile({ deviceIdFrom: [] });
    expect(byName('', aName(cn('device-7')), fromNowhere).deviceIds).toEqual(['']);
  });

  it('must be the same in both', () => {
    const examination = byName('device-8', aName(cn('device-7')));
    expect(verdictOn(examination)).toBe(
      "SUBJECT_MISMATCH: the device id of the upload is 'device-8', " +
        "but csr.subject.commonName is 'device-7': both name the device and must agree",
    );
  });

  it('may be the UDID', () => {
    const signer = ecSigner();
    const profile = aProfile({ deviceIdFrom: ['udid'] });
    const { deviceIds } = examine([aCsr({ signer })], profile);
    expect(deviceIds).toEqual([hash('sha256', signer.spki, 'hex')]);
  });
});

describe('the values of a request', () => {
  it('stand in the order of the sources, absent ones undefined', () => {
    const full = aCsr({
      subject: aName(
        attribute(oids.id_at_organizationName, 'Acme \u00e4', tags.utf8String),
        cn('device-1'),
        attribute(oids.id_at_serialNumber, 'SN-1', tags.printableString),
      ),
      extensions: [
        extension(
          oids.id_ce_subjectAltName,
          encodeSequence(hardwareSan(hwType, Buffer.from('00ff10', 'hex'))),
        ),
      ],
    });
    const { csrValues, codes } = examine([full, aCsr()], takesAll);
    expect(codes).toEqual([0, 0]);
    expect(csrValues).toEqual([
      ['device-1', 'Acme \u00e4', 'SN-1', '00ff10'],
      ['device-1', undefined, undefined, undefined],
    ]);
  });

  it('may repeat what the profile fixes, even where it rejects other attributes', () => {
    const profile = aProfile({
      ...strict,
      subject: [
        { type: 'organizationName', encoding: 'utf8', value: { fixed: 'Acme' } },
        ...strict.subject,
      ],
    });
    const named = (organization: string): Uint8Array =>
      aCsr({
        subject: aName(cn('device-1'), attribute(oids.id_at_organizationName, organization)),
      });
    expect(verdictOn(examine([named('Acme')], profile))).toBe('accepted: ');
    expect(verdictOn(examine([named('Other')], profile))).toMatch(/^SUBJECT_MISMATCH/);
  });
});

it('refuses another version than v1 (RFC 2986 4.1)', () => {
  const signer = ecSigner();
  const info = encodeSequence(
    encodeInteger(1),
    aName(cn('device-1')),
    signer.spki,
    encodeTlv(0xa0),
  );
  const request = encodeSequence(info, signer.algorithmDer, encodeBitString(signer.sign(info)));
  expect(verdictOn(examine([request]))).toMatch(/^CSR_DER_MALFORMED: .*version/);
});

import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { CertmillError, type Profile, type ProfileExtensions } from '@certmill/domain';
import { authorityProfiles, builtInProfiles, parseProfile } from '@certmill/domain/profile-files';
import {
  attributeTypeAndValue,
  compileTemplate,
  createCertificateWalk,
  finishCertificate,
  oids,
  rdnSequence,
  readExtensions,
  readName,
  relativeDistinguishedName,
  walkCertificate,
} from '@certmill/der';
import {
  compileAuthorityProfile,
  compileProfile,
  type ProfileIssuer,
  type TbsInput,
} from './compile-profile.js';

const issuerKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const deviceKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = deviceKeys.publicKey.export({ format: 'der', type: 'spki' });
const receivedAtMs = Date.UTC(2026, 10, 20, 12, 0, 0, 999);

function anIssuer(overrides: Partial<ProfileIssuer> = {}): ProfileIssuer {
  const name = compileTemplate(
    rdnSequence(
      relativeDistinguishedName(attributeTypeAndValue('2.5.4.3', 'utf8String', 'Issuing CA')),
    ),
  );
  const out = new Uint8Array(64);
  return {
    name: 'issuing-ca',
    subjectDer: out.slice(name.write(out, out.length, name.createValues())),
    keyIdentifier: Buffer.alloc(20, 7),
    signatureAlgorithm: 'ecdsa-sha256',
    notBeforeMs: Date.UTC(2026, 0, 1),
    notAfterMs: Date.UTC(9999, 11, 31, 23, 59, 59),
    ...overrides,
  };
}

function aProfile(changes: Partial<Record<'validity' | 'subject' | 'san', string>>): Profile {
  const san = changes.san === undefined ? '' : `  subjectAltName: ${changes.san}\n`;
  return parseProfile(
    `name: test\nversion: 1\ndescription: A test.\nkeys: [ec-p256]\nsignatureHashes: [sha256]\n` +
      `validity: ${changes.validity ?? '{ lifetime: 1d }'}\n` +
      `subject: ${changes.subject ?? '[{ type: commonName, from: [deviceId] }]'}\n` +
      `extensions:\n  authorityKeyIdentifier: true\n${san}` +
      `csr: { otherSubjectAttributes: ignore, ignoredExtensions: [] }\n`,
    'test.yaml',
  );
}

function anInput(values: readonly string[], overrides: Partial<TbsInput> = {}): TbsInput {
  const serialNumber = Buffer.concat([Buffer.of(1), randomBytes(19)]);
  return {
    serialNumber,
    receivedAtMs,
    spki,
    values: values.map((value) => Buffer.from(value)),
    ...overrides,
  };
}

function issue(profile: Profile, input: TbsInput, issuer = anIssuer()) {
  const compiled = compileProfile(profile, issuer);
  const out = new Uint8Array(4_096);
  const start = compiled.writeTbs(input, out, 3_900, 8);
  const signature = sign('sha256', out.subarray(start, 3_900), issuerKeys.privateKey);
  const range = finishCertificate(out, start, 3_900, compiled.signatureAlgorithmDer, signature);
  const der = out.slice(range.start, range.end);
  const walk = createCertificateWalk();
  if (!walkCertificate(der, 0, der.length, walk)) throw new Error(`walk: ${String(walk.error)}`);
  const extensions = readExtensions(der, walk.extensionsStart, walk.extensionsEnd);
  if (!extensions.ok) throw new Error('extensions');
  return {
    der,
    walk,
    certificate: new X509Certificate(der),
    extensions: new Map(
      extensions.value.map(({ oid, critical, valueStart, valueEnd }) => [
        oid,
        { critical, hex: Buffer.from(der.subarray(valueStart, valueEnd)).toString('hex') },
      ]),
    ),
    validity: [walk.notBeforeSeconds, walk.notAfterSeconds].map((seconds) =>
      new Date(seconds * 1_000).toISOString(),
    ),
  };
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof CertmillError ? `${error.code} ${error.message}` : String(error);
  }
  return 'nothing was thrown';
}

function purposes(...names: ('clientAuth' | 'OCSPSigning')[]) {
  const oidOf = { clientAuth: oids.id_kp_clientAuth, OCSPSigning: oids.id_kp_OCSPSigning };
  return { purposes: names.map((name) => oidOf[name]), critical: false };
}

function fixedExtension(oid: string) {
  return { oid, critical: false, valueDerHex: '0500' };
}

describe('compileProfile', () => {
  it('makes a certificate of tls-client with each field as the profile says', () => {
    const input = anInput(['device-1']);
    const { certificate, walk, der, extensions, validity } = issue(
      builtInProfiles().get('tls-client')!,
      input,
    );
    expect(certificate.verify(issuerKeys.publicKey)).toBe(true);
    expect(certificate.subject).toBe('CN=device-1');
    expect(certificate.issuer).toBe('CN=Issuing CA');
    const serial = Buffer.from(input.serialNumber).toString('hex').toUpperCase();
    expect(certificate.serialNumber.padStart(40, '0')).toBe(serial);
    expect(Buffer.from(der.subarray(walk.subjectPKInfoStart, walk.subjectPKInfoEnd))).toEqual(spki);
    expect(validity).toEqual(['2026-11-20T11:55:00.000Z', '2028-11-19T11:54:59.000Z']);
    const point = Buffer.from(der.subarray(walk.subjectPublicKeyStart, walk.subjectPublicKeyEnd));
    expect(Object.fromEntries(extensions)).toEqual({
      '2.5.29.19': { critical: true, hex: '3000' },
      '2.5.29.15': { critical: true, hex: '03020780' },
      '2.5.29.37': { critical: false, hex: '300a06082b06010505070302' },
      '2.5.29.14': {
        critical: false,
        hex: `0414${createHash('sha1').update(point).digest('hex')}`,
      },
      '2.5.29.35': { critical: false, hex: `30168014${'07'.repeat(20)}` },
    });
  });

  it('writes the same bytes for the same input, into any place of any buffer', () => {
    const compiled = compileProfile(builtInProfiles().get('idevid')!, anIssuer());
    const input = anInput(['SN-1', 'SN-1']);
    const [first, second] = [new Uint8Array(2_000), new Uint8Array(3_000).fill(0xee)];
    const written = first.subarray(compiled.writeTbs(input, first, 2_000));
    const again = second.subarray(compiled.writeTbs(input, second, 2_500), 2_500);
    expect(Buffer.compare(written, again)).toBe(0);
  });

  it('puts the hardware module name and no expiration into an idevid', () => {
    const { extensions, validity } = issue(
      builtInProfiles().get('idevid')!,
      anInput(['SN-1', 'SN-1']),
    );
    expect(validity[1]).toBe('9999-12-31T23:59:59.000Z');
    expect(extensions.get('2.5.29.17')?.hex).toContain('0404534e2d31');
  });

  it('writes vendor and product id of a matter-dac as UTF8String', () => {
    const { der, walk } = issue(
      builtInProfiles().get('matter-dac')!,
      anInput(['dac 1', 'FFF1', '8000']),
    );
    const name = readName(der, walk.subjectStart, walk.subjectEnd);
    expect(name.ok && name.value.flat().map(({ oid, tag, value }) => [oid, tag, value])).toEqual([
      ['2.5.4.3', 0x0c, 'dac 1'],
      ['1.3.6.1.4.1.37244.2.1', 0x0c, 'FFF1'],
      ['1.3.6.1.4.1.37244.2.2', 0x0c, '8000'],
    ]);
    expect(der.length).toBeLessThanOrEqual(600);
  });

  it.each([...authorityProfiles().values()])(
    'compiles $name for who holds the key of the issuer, and for no order',
    (profile) => {
      expect(codeOf(() => compileProfile(profile, anIssuer()))).toMatch(
        /^PROFILE_INVALID profile [a-z-]+: .*; no order can have it$/,
      );
      expect(compileAuthorityProfile(profile, anIssuer()).profile.name).toBe(profile.name);
    },
  );

  it.each([
    ['OCSPSigning among other purposes', { extKeyUsage: purposes('clientAuth', 'OCSPSigning') }],
    ['cRLSign', { keyUsage: { bits: ['digitalSignature', 'cRLSign'], critical: true } }],
    ['keyCertSign', { keyUsage: { bits: ['keyCertSign'], critical: true } }],
    ['purposes in fixed octets', { custom: [fixedExtension('2.5.29.37')] }],
    ['key usage in fixed octets', { custom: [fixedExtension('2.5.29.15')] }],
  ] satisfies [string, Partial<ProfileExtensions>][])(
    'refuses %s, whoever admitted the profile',
    (_, extensions) => {
      const profile = aProfile({});
      const changed = { ...profile, extensions: { ...profile.extensions, ...extensions } };
      expect(codeOf(() => compileProfile(changed, anIssuer()))).toMatch(
        /^PROFILE_INVALID .*no order can have it$/,
      );
    },
  );

  it('takes its values from the place of the request in the verdict', () => {
    const values = ['a', 'b', 'c'];
    const input = anInput(values, { firstValue: 2 });
    expect(issue(aProfile({}), input).certificate.subject).toBe('CN=c');
  });

  it('leaves optional attributes and names out, and subjectAltName with its last name', () => {
    const profile = aProfile({
      subject:
        '[{ type: commonName, from: [deviceId] }, { type: title, from: [row.model], required: false }]',
      san: '{ critical: false, names: [{ type: dNSName, from: [row.site], required: false }] }',
    });
    const all = issue(profile, anInput(['d', 'm', 'a.example']));
    expect(all.certificate.subject).toBe('CN=d\ntitle=m');
    expect(all.extensions.get('2.5.29.17')?.hex).toBe('300b8209612e6578616d706c65');
    const none = issue(profile, anInput(['d', '', '']));
    expect(none.certificate.subject).toBe('CN=d');
    expect([...none.extensions.keys()]).toEqual(['2.5.29.35']);
  });

  it('carries nothing over from one certificate to the next', () => {
    const profile = aProfile({
      subject: '[{ type: title, from: [row.model], required: false }]',
    });
    const compiled = compileProfile(profile, anIssuer());
    const out = new Uint8Array(1_000);
    const full = out.length - compiled.writeTbs(anInput(['model']), out, out.length);
    const empty = out.length - compiled.writeTbs(anInput(['']), out, out.length);
    expect(full - empty).toBe('model'.length + 11);
  });

  it.each([
    [
      'the backdate',
      '{ backdate: 1h, lifetime: 1d }',
      {},
      '2026-11-20T11:00:00',
      '2026-11-21T10:59:59',
    ],
    [
      "the issuer's start",
      '{ backdate: 52w, lifetime: 1d }',
      {},
      '2026-01-01T00:00:00',
      '2026-01-01T23:59:59',
    ],
    [
      "the issuer's end",
      '{ lifetime: 30d }',
      { notAfterMs: Date.UTC(2026, 10, 25) },
      '2026-11-20T12:00:00',
      '2026-11-25T00:00:00',
    ],
    [
      'a fixed end',
      "{ notAfter: '2049-12-31T23:59:59Z' }",
      {},
      '2026-11-20T12:00:00',
      '2049-12-31T23:59:59',
    ],
  ])('keeps %s', (_, validity, issuer, notBefore, notAfter) => {
    const issued = issue(aProfile({ validity }), anInput(['d']), anIssuer(issuer));
    expect(issued.validity).toEqual([`${notBefore}.000Z`, `${notAfter}.000Z`]);
  });

  it.each([
    ['no expiration under an issuer that expires', "{ notAfter: '9999-12-31T23:59:59Z' }"],
    ['a fixed end after that of the issuer', "{ notAfter: '2040-01-01T00:00:00Z' }"],
    ['a fixed end before the issuer', "{ notAfter: '2020-01-01T00:00:00Z' }"],
    ["a lifetime longer than the issuer's", '{ lifetime: 20y }'],
  ])('refuses %s', (_, validity) => {
    const issuer = anIssuer({ notAfterMs: Date.UTC(2036, 0, 1) });
    expect(codeOf(() => compileProfile(aProfile({ validity }), issuer))).toMatch(
      /^PROFILE_INVALID .*4\.1\.2\.5/,
    );
  });

  it('issues nothing once the issuer or the fixed end is past', () => {
    const late = Date.UTC(2037, 0, 1);
    const expired = compileProfile(aProfile({}), anIssuer({ notAfterMs: Date.UTC(2036, 0, 1) }));
    const fixed = compileProfile(
      aProfile({ validity: "{ notAfter: '2036-01-01T00:00:00Z' }" }),
      anIssuer(),
    );
    for (const compiled of [expired, fixed]) {
      const input = anInput(['d'], { receivedAtMs: late });
      expect(codeOf(() => compiled.writeTbs(input, new Uint8Array(999), 999))).toMatch(
        /^FAULT_LINT_FAILED/,
      );
    }
  });

  it('says which required value is missing, and when the room does not suffice', () => {
    const compiled = compileProfile(aProfile({}), anIssuer());
    expect(codeOf(() => compiled.writeTbs(anInput(['']), new Uint8Array(999), 999))).toMatch(
      /^FAULT_LINT_FAILED .*subject\.commonName\[0\]/,
    );
    expect(codeOf(() => compiled.writeTbs(anInput(['d']), new Uint8Array(99), 99))).toMatch(
      /^FAULT_LINT_FAILED/,
    );
  });

  it('never compiles basicConstraints from a custom extension', () => {
    const profile: Profile = {
      ...aProfile({}),
      extensions: { custom: [{ oid: '2.5.29.19', critical: true, valueDerHex: '30030101ff' }] },
    };
    expect(codeOf(() => compileProfile(profile, anIssuer()))).toMatch(
      /^PROFILE_INVALID .*4\.2\.1\.9/,
    );
  });
});

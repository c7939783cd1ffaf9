import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { oids, pemEncode } from '@certmill/der';
import type { IssuerKeyType } from '../keys/key-types.js';
import { x509 } from '../x509-library.js';
import { readCaCertificate } from './ca-certificate.js';
import { caSignerOf, type CaKeyPair, generateCaKey } from './ca-key.js';
import { checkChain } from './check-chain.js';
import { distinguishedNameDer, parseDistinguishedName } from './distinguished-name.js';
import {
  type CaCertificateSpec,
  type CaParent,
  caTbsCertificate,
  issueCaCertificate,
  newCaSerialNumber,
  noExpirationMs,
} from './issue-ca-certificate.js';

const notBeforeMs = Date.UTC(2026, 0, 1);

function aSpec(overrides: Partial<CaCertificateSpec> = {}): CaCertificateSpec {
  return {
    subjectDer: distinguishedNameDer(parseDistinguishedName('C=DE,O=Example,CN=Example root')),
    serialNumber: newCaSerialNumber(),
    notBeforeMs,
    notAfterMs: noExpirationMs,
    ...overrides,
  };
}

const named = (text: string): Uint8Array => distinguishedNameDer(parseDistinguishedName(text));
const issuingSubjectDer = distinguishedNameDer([{ type: 'commonName', value: 'Example issuing' }]);

function aSubtree(text: string) {
  return { kind: 'directoryName', nameDer: named(text) } as const;
}

async function aRoot(
  keyType: IssuerKeyType = 'ec-p256',
  overrides: Partial<CaCertificateSpec> = {},
): Promise<CaParent & { readonly certificateDer: Uint8Array; readonly key: CaKeyPair }> {
  const key = await generateCaKey(keyType);
  const signer = caSignerOf(key.privateKey, key.subjectPKInfoDer);
  const certificateDer = await issueCaCertificate(aSpec(overrides), key.subjectPKInfoDer, {
    signer,
  });
  return { certificateDer, chainDer: [certificateDer], signer, key };
}

/** Needs openssl on the PATH: the verifier that most relying parties have. */
const host = (value: string) => ({ kind: 'dNSName', value }) as const;

describe('issueCaCertificate', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-ca-certificate-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const pemFile = (name: string, der: Uint8Array): string => {
    const file = join(folder, `${name}.pem`);
    writeFileSync(file, pemEncode('CERTIFICATE', der));
    return file;
  };
  const openssl = (...args: string[]): string =>
    execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();

  it.each<IssuerKeyType>(['ec-p256', 'ec-p384', 'ec-p521', 'rsa-3072', 'ed25519'])(
    '%s roots and CAs below them verify strictly',
    async (keyType) => {
      const root = await aRoot(keyType, { pathLenConstraint: 1 });
      const key = await generateCaKey(keyType);
      const der = await issueCaCertificate(
        aSpec({ subjectDer: issuingSubjectDer, pathLenConstraint: 0 }),
        key.subjectPKInfoDer,
        root,
      );
      const rootFile = pemFile(`root-${keyType}`, root.certificateDer);
      const file = pemFile(`issuing-${keyType}`, der);
      expect(openssl('verify', '-x509_strict', '-CAfile', rootFile, file)).toContain('OK');
    },
  );

  it('writes every extension as openssl reads it', async () => {
    const root = await aRoot('ec-p384');
    const key = await generateCaKey('ec-p256');
    const der = await issueCaCertificate(
      aSpec({
        subjectDer: issuingSubjectDer,
        pathLenConstraint: 0,
        keyUsage: ['digitalSignature'],
        policies: ['1.3.6.1.4.1.99999.1'],
        extKeyUsage: [oids.id_kp_clientAuth],
        nameConstraints: {
          permitted: [
            { kind: 'dNSName', value: 'devices.example.com' },
            { kind: 'iPAddress', octets: Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0) },
            {
              kind: 'directoryName',
              nameDer: distinguishedNameDer([{ type: 'organizationName', value: 'Example' }]),
            },
          ],
          excluded: [
            { kind: 'rfc822Name', value: 'example.org' },
            { kind: 'uniformResourceIdentifier', value: '.example.net' },
          ],
        },
        status: {
          crlDistributionPoints: ['http://status.example.com/crl/root/ca.crl'],
          ocsp: ['http://status.example.com/ocsp'],
          caIssuers: ['http://status.example.com/ca/root.cer'],
        },
      }),
      key.subjectPKInfoDer,
      root,
    );
    const text = openssl('x509', '-noout', '-text', '-in', pemFile('full', der));
    for (const expected of [
      /X509v3 Basic Constraints: critical\s+CA:TRUE, pathlen:0/,
      /X509v3 Key Usage: critical\s+Digital Signature, Certificate Sign, CRL Sign/,
      /X509v3 Certificate Policies:\s+Policy: 1\.3\.6\.1\.4\.1\.99999\.1/,
      /X509v3 Name Constraints: critical\s+Permitted:\s+DNS:devices\.example\.com\s+IP:10\.0\.0\.0\/255\.0\.0\.0\s+DirName:\s?O = Example\s+Excluded:\s+email:example\.org\s+URI:\.example\.net/,
      /X509v3 Extended Key Usage:\s+TLS Web Client Authentication/,
      /X509v3 CRL Distribution Points:\s+Full Name:\s+URI:http:\/\/status\.example\.com\/crl\/root\/ca\.crl/,
      /OCSP - URI:http:\/\/status\.example\.com\/ocsp\s+CA Issuers - URI:http:\/\/status\.example\.com\/ca\/root\.cer/,
      /Not After : Dec 31 23:59:59 9999 GMT/,
    ]) {
      expect(text).toMatch(expected);
    }
    const read = new x509.X509Certificate(Uint8Array.from(der));
    expect(read.subject).toBe('CN=Example issuing');
    expect(read.issuer).toBe('C=DE, O=Example, CN=Example root');
  });

  it('makes the same TBSCertificate of the same arguments: a rehearsal shows what will be', async () => {
    const root = await aRoot();
    const { subjectPKInfoDer } = await generateCaKey('ec-p256');
    const spec = aSpec({ subjectDer: issuingSubjectDer });
    const rehearsed = caTbsCertificate(spec, subjectPKInfoDer, root);
    const der = await issueCaCertificate(spec, subjectPKInfoDer, root);
    expect(Buffer.from(der).indexOf(rehearsed)).toBe(4);
    expect(caTbsCertificate(spec, subjectPKInfoDer, root)).toEqual(rehearsed);
  });

  it('refuses what the parent does not allow', async () => {
    const root = await aRoot('ec-p256', {
      pathLenConstraint: 1,
      notAfterMs: Date.UTC(2030, 0, 1),
      extKeyUsage: [oids.id_kp_clientAuth],
      policies: ['1.2.3'],
      nameConstraints: { permitted: [host('example.com')], excluded: [host('no.example.com')] },
    });
    const { subjectPKInfoDer } = await generateCaKey('ec-p256');
    const under = (overrides: Partial<CaCertificateSpec>) =>
      issueCaCertificate(
        aSpec({
          subjectDer: issuingSubjectDer,
          notAfterMs: Date.UTC(2029, 0, 1),
          pathLenConstraint: 0,
          ...overrides,
        }),
        subjectPKInfoDer,
        root,
      );
    await expect(under({})).resolves.toBeInstanceOf(Uint8Array);
    const permitting = (value: string) => ({
      nameConstraints: { permitted: [host(value)], excluded: [] },
    });
    await expect(under(permitting('a.example.com'))).resolves.toBeInstanceOf(Uint8Array);
    for (const [overrides, reason] of [
      [{ notAfterMs: Date.UTC(2031, 0, 1) }, /outside its parent's life/],
      [{ notBeforeMs: notBeforeMs - 1_000 }, /outside its parent's life/],
      [{ pathLenConstraint: 1 }, /pathLenConstraint below what those above leave, 1/],
      [{ extKeyUsage: [oids.id_kp_serverAuth] }, /purposes .* a CA above it does not have/],
      [{ policies: ['1.2.4'] }, /policies .* a CA above it does not have/],
      [permitting('com'), /permits names \(dNSName com\) that a CA above does not/],
      [permitting('x.no.example.com'), /permits names .* that a CA above does not/],
      [{ serialNumber: Uint8Array.of(0x80, 1) }, /positive serial number/],
      [{ serialNumber: new Uint8Array(21).fill(1) }, /positive serial number/],
      [{ notBeforeMs: notBeforeMs + 1 }, /within a second/],
      [{ notBeforeMs: Date.UTC(2029, 0, 2) }, /ends before it begins/],
    ] as const) {
      await expect(under(overrides)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(reason) as string,
      });
    }
  });

  it('holds a CA against every certificate above it, as openssl does', async () => {
    const key = await generateCaKey('ec-p256');
    const rootSigner = caSignerOf(key.privateKey, key.subjectPKInfoDer);
    const rootOf = (overrides: Partial<CaCertificateSpec>) =>
      issueCaCertificate(aSpec(overrides), key.subjectPKInfoDer, { signer: rootSigner });
    const { privateKey, subjectPKInfoDer } = await generateCaKey('ec-p256');
    const between = await issueCaCertificate(
      aSpec({ subjectDer: named('O=Example,CN=Between') }),
      subjectPKInfoDer,
      { chainDer: [await rootOf({})], signer: rootSigner },
    );
    const signer = caSignerOf(privateKey, subjectPKInfoDer);
    const leaf = await generateCaKey('ec-p256');
    for (const [limits, wanted, reason] of [
      [
        { nameConstraints: { permitted: [aSubtree('O=Example')], excluded: [] } },
        { subjectDer: named('O=Evil,CN=Issuing') },
        'outside the name constraints of a CA above',
      ],
      [{ pathLenConstraint: 1 }, { subjectDer: named('CN=Low') }, 'CA that allows none'],
      [{ pathLenConstraint: 2 }, { pathLenConstraint: 1 }, 'what those above leave, 1'],
      [
        { extKeyUsage: [oids.id_kp_clientAuth] },
        { extKeyUsage: [oids.id_kp_codeSigning] },
        'purposes (1.3.6.1.5.5.7.3.3) that a CA above it does not have',
      ],
    ] as const) {
      const root = await rootOf(limits);
      const spec = aSpec({ subjectDer: named('O=Example,CN=Issuing'), ...wanted });
      await expect(
        issueCaCertificate(spec, leaf.subjectPKInfoDer, { chainDer: [between, root], signer }),
      ).rejects.toThrow(reason);
      // What the root's certificate would have forbidden, made without it.
      const der = await issueCaCertificate(spec, leaf.subjectPKInfoDer, {
        chainDer: [between],
        signer,
      });
      const chain = [der, between, root].map((each) => readCaCertificate(each, 'it'));
      const files = [
        '-CAfile',
        pemFile('limited', root),
        '-untrusted',
        pemFile('between', between),
      ];
      if ('nameConstraints' in limits) {
        expect(() => {
          openssl('verify', ...files, pemFile('outside', der));
        }).toThrow(/permitted subtree violation/);
        expect(() => {
          checkChain(chain, undefined);
        }).toThrow('its nameConstraints do not allow');
      }
    }
  });

  it.each([
    ['no subject', Uint8Array.of(0x30, 0), 'an empty subject (RFC 5280 4.1.2.6)'],
    ['the subject of the root', named('C=DE,O=Example,CN=Example root'), 'a CA above it, '],
    ['it in other letters', named('C=DE,O=EXAMPLE,CN=example  Root'), 'a CA above it, '],
  ])('makes no CA of %s: self-issued, limits would pass over it', async (_, subjectDer, reason) => {
    const root = await aRoot();
    const { subjectPKInfoDer } = await generateCaKey('ec-p256');
    const spec = aSpec({ subjectDer, pathLenConstraint: 5 });
    await expect(issueCaCertificate(spec, subjectPKInfoDer, root)).rejects.toThrow(reason);
  });

  it('refuses a parent whose path ends with it, one that is no CA, and a key that is not its own', async () => {
    const root = await aRoot();
    const { subjectPKInfoDer, privateKey } = await generateCaKey('ec-p256');
    const spec = aSpec({ subjectDer: issuingSubjectDer, pathLenConstraint: 0 });
    const last = {
      chainDer: [await issueCaCertificate(spec, subjectPKInfoDer, root), root.certificateDer],
      signer: caSignerOf(privateKey, subjectPKInfoDer),
    };
    const below = aSpec({ subjectDer: named('CN=Below'), pathLenConstraint: 0 });
    await expect(issueCaCertificate(below, subjectPKInfoDer, last)).rejects.toThrow('allows none');
    const foreign = { chainDer: [root.certificateDer], signer: last.signer };
    await expect(issueCaCertificate(spec, subjectPKInfoDer, foreign)).rejects.toMatchObject({
      code: 'FAULT_KEY_MISMATCH',
    });
    // A module that signs with another key than it says.
    const lying = {
      chainDer: [root.certificateDer],
      signer: { ...last.signer, subjectPKInfoDer: root.key.subjectPKInfoDer },
    };
    await expect(issueCaCertificate(spec, subjectPKInfoDer, lying)).rejects.toMatchObject({
      code: 'FAULT_KEY_MISMATCH',
    });
  });
});

describe('parseDistinguishedName', () => {
  it('reads types by both names, in order, with commas in values', () => {
    expect(parseDistinguishedName('c=DE, O=Example\\, Inc. , serialNumber=7,CN=Root')).toEqual([
      { type: 'countryName', value: 'DE' },
      { type: 'organizationName', value: 'Example, Inc.' },
      { type: 'serialNumber', value: '7' },
      { type: 'commonName', value: 'Root' },
    ]);
  });

  it.each(['', 'CN', 'X=1', 'CN=a,,O=b', 'constructor=x'])('refuses %j', (text) => {
    expect(() => parseDistinguishedName(text)).toThrow('the distinguished name');
  });

  it.each([
    [{ type: 'countryName', value: 'Germany' }],
    [{ type: 'commonName', value: '' }],
    [{ type: 'commonName', value: 'a\u0000b' }],
    [{ type: 'serialNumber', value: 'J\u00f6rg' }],
  ] as const)('is written only where values fit: %j', (attribute) => {
    expect(() => distinguishedNameDer([attribute])).toThrow(/distinguished name|cannot be written/);
  });
});

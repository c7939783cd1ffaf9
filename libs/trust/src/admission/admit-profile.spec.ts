import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { CertmillError, type Profile } from '@certmill/domain';
import { builtInProfiles, parseProfile } from '@certmill/domain/profile-files';
import { aSampleIssuer, sampleNowMs } from '../testing/sample-issuer.js';
import { admitProfile } from './admit-profile.js';
import { makeSamples } from './sample-certificates.js';
import { sampleValuesOf } from './sample-values.js';

const folder = new URL('../../test-data/bad-profiles/', import.meta.url);
const badProfiles = readdirSync(folder).map((file) => {
  const text = readFileSync(new URL(file, folder), 'utf8');
  const clause = /^# Breaks (.+)$/m.exec(text)?.[1] ?? 'no clause in the header';
  return { name: basename(file, '.yaml'), file, text, clause };
});

const goodProfile = `
name: good
version: 1
description: Admitted.
keys: [ec-p256]
signatureHashes: [sha256]
validity: { lifetime: 1y }
subject:
  - { type: commonName, from: [deviceId] }
extensions:
  basicConstraints: { critical: true }
  keyUsage: { bits: [digitalSignature], critical: true }
  subjectKeyIdentifier: sha1
  authorityKeyIdentifier: true
csr: { otherSubjectAttributes: ignore, ignoredExtensions: [] }
`;

async function refusalOf(profile: Profile): Promise<CertmillError> {
  try {
    await admitProfile(profile, aSampleIssuer(), sampleNowMs);
  } catch (error) {
    if (error instanceof CertmillError) return error;
    throw error;
  }
  throw new Error(`${profile.name} was admitted`);
}

describe('admitProfile', () => {
  it('has at least thirty bad profiles to refuse', () => {
    expect(badProfiles.length).toBeGreaterThanOrEqual(30);
  });

  it.each([
    "pattern: '(a+)+b', example: aab",
    "pattern: '(?:q|z|qz)+x', example: qzx",
    "pattern: '[a-z]+', maxLength: 20000",
    // None of the usual values, and none of one character, whatever its length.
    "pattern: '(?:\\w|a|.){0,600}[a-z0-9](?:\\w?){0,600}!', maxLength: 150, example: a!",
  ])('is done in seconds, whatever the pattern is: %s', async (rules) => {
    const text = goodProfile.replace('from: [deviceId]', `from: [deviceId], ${rules}`);
    const begun = performance.now();
    await admitProfile(parseProfile(text, 'good.yaml'), aSampleIssuer(), sampleNowMs).catch(
      (error: unknown) => expect(error).toMatchObject({ code: 'PROFILE_INVALID' }),
    );
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  it('lets others have their turn while it looks for values', async () => {
    const rules = String.raw`pattern: '(?:\w|a|.){0,600}[a-z0-9](?:\w?){0,600}!', maxLength: 150, example: a!`;
    const text = goodProfile.replace('from: [deviceId]', `from: [deviceId], ${rules}`);
    let turns = 0;
    let isDone = false;
    const turn = (): void => {
      turns += 1;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    const values = await sampleValuesOf(parseProfile(text, 'good.yaml'), {});
    isDone = true;
    expect(values).toHaveLength(1);
    expect(turns).toBeGreaterThan(1);
  });

  it('finds values for many fields of exact lengths', async () => {
    const fields = ['localityName', 'stateOrProvinceName', 'title', 'organizationName'];
    const lines = fields.map((type, i) => {
      return `  - { type: ${type}, from: [row.${['site', 'model', 'serial', 'deviceId'][i]!}], pattern: '[0-9]{12}' }`;
    });
    const text = goodProfile.replace('extensions:', `${lines.join('\n')}\nextensions:`);
    const profile = parseProfile(text, 'good.yaml');
    const samples = await makeSamples(profile, aSampleIssuer(), sampleNowMs);
    expect(samples).not.toHaveLength(0);
  });

  it.each(badProfiles)('refuses $name for $clause', async ({ file, text, clause }) => {
    const refusal = await refusalOf(parseProfile(text, file));
    expect(refusal.code).toBe('PROFILE_INVALID');
    const citations = refusal.message
      .split('\n')
      .filter(
        (line) =>
          line.includes(`${clause}:`) || line.includes(`${clause} `) || line.includes(`${clause})`),
      );
    expect({ clause, message: refusal.message, cited: citations.length > 0 }).toEqual(
      expect.objectContaining({ cited: true }),
    );
  });

  it('admits the profile that the bad ones were made from', async () => {
    const samples = await admitProfile(
      parseProfile(goodProfile, 'good.yaml'),
      aSampleIssuer(),
      sampleNowMs,
    );
    expect(samples).toHaveLength(1);
  });

  it.each([...builtInProfiles().values()])('admits the built-in $name', async (profile) => {
    const samples = await admitProfile(profile, aSampleIssuer(), sampleNowMs);
    expect(samples.length).toBeGreaterThanOrEqual(profile.keys.length);
  });

  it.each([
    ['ec-p384', 'ecdsa-sha384'],
    ['ec-p521', 'ecdsa-sha512'],
    ['ed25519', 'ed25519'],
    ['ml-dsa-44', 'ml-dsa-44'],
    ['ml-dsa-87', 'ml-dsa-87'],
    ['rsa-2048', 'rsa-sha256'],
  ] as const)('admits tls-client under an issuer with %s', async (keyType, signatureAlgorithm) => {
    const profile = builtInProfiles().get('tls-client')!;
    const issuer = aSampleIssuer({ keyType, signatureAlgorithm });
    await expect(admitProfile(profile, issuer, sampleNowMs)).resolves.toHaveLength(5);
  });

  it('makes one key to sign samples with for all profiles: one of RSA takes seconds', async () => {
    const profile = builtInProfiles().get('tls-client')!;
    const issuer = aSampleIssuer({ keyType: 'rsa-2048', signatureAlgorithm: 'rsa-sha256' });
    const [one] = await admitProfile(profile, issuer, sampleNowMs);
    const [other] = await admitProfile(profile, issuer, sampleNowMs);
    expect(one!.issuerKey.equals(other!.issuerKey)).toBe(true);
  });

  it('admits the profile that docs/profiles.md shows', async () => {
    const docs = readFileSync(new URL('../../../../docs/profiles.md', import.meta.url), 'utf8');
    const yaml = /```yaml\n([^`]+)```/.exec(docs)?.[1] ?? '';
    const samples = await admitProfile(
      parseProfile(yaml, 'profiles.md'),
      aSampleIssuer(),
      sampleNowMs,
    );
    expect(samples).toHaveLength(4);
  });

  it('judges status addresses from the issuer as they will stand in certificates', async () => {
    const text = goodProfile.replace(
      'extensions:',
      'extensions:\n  crlDistributionPoints: issuer\n  authorityInfoAccess: issuer',
    );
    const profile = parseProfile(text, 'good.yaml');
    const status = { baseUri: 'http://pki.example', crlShards: 1_024 };
    const [sample] = await admitProfile(profile, aSampleIssuer({ status }), sampleNowMs);
    expect(Buffer.from(sample!.der).includes('http://pki.example/crl/devices/1023.crl')).toBe(true);
    await expect(
      admitProfile(
        profile,
        aSampleIssuer({ status: { ...status, baseUri: 'pki.example' } }),
        sampleNowMs,
      ),
    ).rejects.toThrow(/RFC 5280 4\.2\.(1\.13|2\.1)/);
  });

  it('refuses idevid under an issuer that expires', async () => {
    const profile = builtInProfiles().get('idevid')!;
    const issuer = aSampleIssuer({ notAfterMs: Date.UTC(2046, 0, 1) });
    await expect(admitProfile(profile, issuer, sampleNowMs)).rejects.toMatchObject({
      code: 'PROFILE_INVALID',
    });
  });

  it('refuses a profile that does not fill the parameters of its provisioning template', async () => {
    const withParameters = (...names: string[]): Profile =>
      parseProfile(`${goodProfile}jitpParameters: [${names.join(', ')}]\n`, 'jitp.yaml');
    const admit = (profile: Profile) => admitProfile(profile, aSampleIssuer(), sampleNowMs);
    await admit(withParameters('AWS::IoT::Certificate::CommonName', 'AWS::IoT::Certificate::Id'));
    for (const [name, reason] of [
      ['AWS::IoT::Certificate::Country', 'the subject of the profile has no countryName'],
      ['AWS::IoT::Certificate::Colour', 'there is no parameter'],
      ['Colour', 'nothing of a certificate fills the parameter Colour'],
    ] as const) {
      await expect(admit(withParameters(name))).rejects.toMatchObject({
        code: 'PROFILE_INVALID',
        message: expect.stringContaining(reason) as string,
      });
    }
  });

  it('refuses a Matter profile under an issuer of another vendor', async () => {
    const text = goodProfile
      .replace(
        'commonName, from: [deviceId] }',
        'matterVendorId, value: FFF1 }\n  - { type: matterProductId, value: "8000" }',
      )
      .replace('lifetime: 1y', "notAfter: '9999-12-31T23:59:59Z'");
    const profile = parseProfile(text, 'dac.yaml');
    await expect(admitProfile(profile, aSampleIssuer(), sampleNowMs)).resolves.toHaveLength(1);
    const vendor = Buffer.from('301631143012060a2b0601040182a27c02010c0446464632', 'hex');
    await expect(
      admitProfile(profile, aSampleIssuer({ subjectDer: vendor }), sampleNowMs),
    ).rejects.toThrow('the vendor id differs from that of the issuer');
  });

  it('bounds the certificates and values of a chunk, whatever its requests hold', async () => {
    const custom = (octets: number): string => {
      const length = octets.toString(16).padStart(4, '0');
      const value = `0482${length}${'00'.repeat(octets)}`;
      return `  custom: [{ oid: 1.3.6.1.4.1.32473.1, critical: false, valueDerHex: "${value}" }]\n`;
    };
    const withCustom = (octets: number): Profile =>
      parseProfile(goodProfile.replace('csr:', `${custom(octets)}csr:`), 'custom.yaml');
    const withNames = (count: number, maxLength: number): Profile => {
      const names = Array.from(
        { length: count },
        () =>
          `  - { type: organizationalUnitName, from: [row.site], maxLength: ${String(maxLength)} }\n`,
      );
      return parseProfile(goodProfile.replace('extensions:', `${names.join('')}extensions:`), 'n');
    };
    const admit = (profile: Profile) => admitProfile(profile, aSampleIssuer(), sampleNowMs);
    await expect(admit(withCustom(7_000))).resolves.toHaveLength(1);
    await expect(admit(withCustom(8_000))).rejects.toThrow(
      /certificates of a chunk: a certificate may have 8\d\d\d octets, .* has room for 8192 each/,
    );
    // What takes a request's values out of a chunk knows of 64.
    await expect(admit(withNames(63, 5))).resolves.toHaveLength(1);
    await expect(admit(withNames(64, 5))).rejects.toThrow(
      /values of a chunk: a request may have 65 values, .* has room for 64 each/,
    );
    // 64 characters of commonName and so many of each name, up to four octets each.
    await expect(admit(withNames(10, 64))).resolves.toHaveLength(1);
    await expect(admit(withNames(16, 64))).rejects.toThrow(
      /values of a chunk: the values of a request may have 4352 octets, .* has room for 4096 each/,
    );
  });

  it('makes the certificates of a bad profile without judging them', async () => {
    const { text, file } = badProfiles.find(({ name }) => name === 'san-empty')!;
    const samples = await makeSamples(parseProfile(text, file), aSampleIssuer(), sampleNowMs);
    expect(samples[0]?.der[0]).toBe(0x30);
  });
});

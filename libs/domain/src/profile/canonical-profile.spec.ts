import { readdirSync, readFileSync } from 'node:fs';
import {
  authorityProfileNames,
  authorityProfiles,
  builtInProfileNames,
  builtInProfiles,
  builtInProfileText,
  builtInProfileVersions,
} from './built-in-profiles.js';
import { canonicalProfile, profileHash, profileOfCanonical } from './canonical-profile.js';
import { parseProfile } from './parse-profile.js';
import { profileFileJsonSchema } from './profile-file.js';

describe('canonicalProfile', () => {
  const profile = builtInProfiles().get('tls-client')!;

  it('is the same whatever the order of keys in the file', () => {
    const lines = builtInProfileText('tls-client').replace('version: 2\n', '');
    const moved = parseProfile(`version: 2\n${lines}`, 'moved.yaml');
    expect(canonicalProfile(moved)).toBe(canonicalProfile(profile));
    expect(profileHash(moved)).toBe(profileHash(profile));
  });

  it('keeps the order of lists, which certificates show', () => {
    const [first, ...rest] = profile.keys;
    const reordered = { ...profile, keys: [...rest, first!] };
    expect(profileHash(reordered)).not.toBe(profileHash(profile));
  });

  it('comes back as the same profile', () => {
    const canonical = canonicalProfile(profile);
    expect(profileOfCanonical(canonical, profileHash(profile))).toEqual(profile);
    expect(profileOfCanonical(canonical)).toEqual(profile);
  });

  it('is refused with another hash, or where it is no JSON', () => {
    const canonical = canonicalProfile(profile);
    const corrupt = expect.objectContaining({ code: 'FAULT_STORE_CORRUPT' }) as Error;
    const changed = canonical.replace('"version":2', '"version":3');
    expect(() => profileOfCanonical(changed, profileHash(profile))).toThrow(corrupt);
    expect(() => profileOfCanonical(canonical.slice(1))).toThrow(corrupt);
  });
});

describe('the built-in profiles', () => {
  it('are those of the catalogue, under their own names', () => {
    expect([...builtInProfiles().keys()]).toEqual([...builtInProfileNames]);
    expect([...builtInProfiles().values()].map(({ name }) => name)).toEqual([
      ...builtInProfileNames,
    ]);
    expect([...authorityProfiles().values()].map(({ name }) => name)).toEqual([
      ...authorityProfileNames,
    ]);
  });

  it('are all there in the folders of the catalogue, and nothing else is', () => {
    const namesIn = (folder: string) =>
      readdirSync(new URL(`../../profiles/${folder}`, import.meta.url))
        .filter((file) => file.endsWith('.yaml'))
        .map((file) => file.replace('.yaml', ''))
        .sort();
    expect(namesIn('')).toEqual([...builtInProfileNames].sort());
    expect(namesIn('authority')).toEqual([...authorityProfileNames].sort());
  });

  it('are never the profile of who speaks for an issuer', () => {
    const authority: readonly string[] = authorityProfileNames;
    expect(builtInProfileNames.filter((name) => authority.includes(name))).toEqual([]);
    for (const { extensions } of builtInProfileVersions()) {
      expect(extensions.extKeyUsage?.purposes ?? []).not.toContain('1.3.6.1.5.5.7.3.9');
      expect(extensions.keyUsage?.bits ?? []).not.toContain('cRLSign');
    }
  });

  it('let tls-client take every key type and hash that factories send', () => {
    const { keys, signatureHashes, csr } = builtInProfiles().get('tls-client')!;
    expect(keys).toEqual([
      { type: 'ec-p256' },
      { type: 'ec-p384' },
      { type: 'ec-p521' },
      { type: 'ed25519' },
      { type: 'rsa', minBits: 2_048, maxBits: 4_096 },
    ]);
    expect(signatureHashes).toEqual(['sha256', 'sha384', 'sha512']);
    expect(csr.otherSubjectAttributes).toBe('ignore');
  });

  it('never set keyEncipherment, which is wrong for EC keys', () => {
    for (const { extensions } of builtInProfiles().values()) {
      expect(extensions.keyUsage?.bits).toContain('digitalSignature');
      expect(extensions.keyUsage?.bits).not.toContain('keyEncipherment');
    }
  });

  // A profile is immutable once used: a change needs a new version, and a new hash here.
  it('have the hashes that orders have pinned', () => {
    const hashes = Object.fromEntries(
      builtInProfileVersions().map((profile) => [
        `${profile.name} ${String(profile.version)}`,
        profileHash(profile),
      ]),
    );
    expect(hashes).toEqual({
      'idevid 2': '6b37d9b5a584068485bb412f2785b767792cc13fec062df379839fc6e147bd49',
      'idevid-tpm 1': '8fa85fe80095c7e200ea1a0361aab5d332d35d66b6e3e15ce89d8c344ee00bdd',
      'ldevid 2': '5c6a598e3885787dfe4107a6898dc40911476ff1058ed478987e11d72204de59',
      'ldevid-tpm 1': 'ab2b1c902b0b0dff10c743eac0419c10df56576b23614cd43b3cda7f66c41266',
      'matter-dac 1': '9993ad49cba815b06d45ab8883feef4289bb3b0aafa63884c999ca0ff96f496c',
      'wi-sun-fan 1': '3e88755ce0ac9a82b64447c5e2ed04263b2dec596fe63dc8521b13b0f74d6ef6',
      'aws-iot 1': '3adc9594c18b3184c35c05ae13b2a0c711b1e984da65884b9c1d3d330474985e',
      'azure-dps 2': '0f5b6c8438267246bb4a9e66d54258b63fa6381769dd42b380dd76f63dac595a',
      'tls-client 2': 'aa3ba206e528f953c0abd975312ffdf11aaebabab6f939f50a39cac3e2b6d526',
      'tls-server 2': '322c33a0caa50e79ceb8cd6138e02bc20c111f22a2a2f78b5e2e5e7359d5b896',
      'code-signing 1': '3a9fbe61eaee1dc404574acf1aa1b68a8b2d42f614c2e3f2a940f1ebdfea5409',
      'firmware-signing 1': '7c6aed9b8018a7454d427c8c90afe9d6a66e154fb57c8efd259a64fc7179596d',
      'short-lived 1': 'bb4ce226d425f44f21882b46022163680fb2950606312ddd1e417035847f3dd2',
      'ml-dsa-device 1': '76de06c835de98aefab255347f3f32e71e53a12bd3d1e7b6d72f2bcaab1c4be4',
      'azure-dps 1': '97993a70e025b97e0012062abfd377cb558893fbc6aca3a5249c3e098d169edd',
      'idevid 1': '489e9bc746b423836504f1282abf616dce3da0e6a97b3ce6f65a50b6fd0a5497',
      'ldevid 1': 'e7ab64097e22cce043cef92facc8c71a69fd5aea8cdae2f8c726f680ca6642f0',
      'tls-client 1': '6af8c066d47f1702c8a65362f1d8fc5668ddf7ea3be3d6dacd27fa40098b4191',
    });
  });
});

describe('docs/profile.schema.json', () => {
  it('is the schema that profile files are checked with', () => {
    const file = new URL('../../../../docs/profile.schema.json', import.meta.url);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(profileFileJsonSchema())),
    );
  });
});

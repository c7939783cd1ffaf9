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
    const lines = builtInProfileText('tls-client').replace('version: 1\n', '');
    const moved = parseProfile(`version: 1\n${lines}`, 'moved.yaml');
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
    const changed = canonical.replace('"version":1', '"version":2');
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
      'idevid 1': '489e9bc746b423836504f1282abf616dce3da0e6a97b3ce6f65a50b6fd0a5497',
      'idevid-tpm 1': '785a05db1d17727d3be54ee8b8cc62c16e632928445b6dab524c7dac85d25092',
      'ldevid 1': 'e7ab64097e22cce043cef92facc8c71a69fd5aea8cdae2f8c726f680ca6642f0',
      'ldevid-tpm 1': '0c12ceb1ed4795c2fb37761fdf67d8ab3db44a77990dd3943e00704990b5b6bf',
      'matter-dac 1': '9993ad49cba815b06d45ab8883feef4289bb3b0aafa63884c999ca0ff96f496c',
      'wi-sun-fan 1': '3e88755ce0ac9a82b64447c5e2ed04263b2dec596fe63dc8521b13b0f74d6ef6',
      'aws-iot 1': '24bb626968d5ae2f324c042c0e81a603e96c78f86e68c3a483207fb90571816f',
      'azure-dps 1': '565aeb38344fbbd5c41a04e78d14119ae62f736ece73e6d5504a9a23010aae1f',
      'tls-client 1': '6af8c066d47f1702c8a65362f1d8fc5668ddf7ea3be3d6dacd27fa40098b4191',
      'tls-server 1': 'd0e41cb3cc536b4d3ba7539f656b94e20f346a588671566f22ee7c94688642dc',
      'code-signing 1': '816d24456e03d4f37f227a060c8f3f42f1612bf864f77daaf402b5f90ef458bb',
      'firmware-signing 1': 'f8edac84c75e85e685af212ff28ebb7a9795378a2ce95aa6093d50ea02f4fd35',
      'short-lived 1': 'bb4ce226d425f44f21882b46022163680fb2950606312ddd1e417035847f3dd2',
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

import { readFileSync } from 'node:fs';
import { builtInProfileNames, builtInProfiles, builtInProfileText } from './built-in-profiles.js';
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
  it('are the four, under their own names', () => {
    expect([...builtInProfiles().keys()]).toEqual([...builtInProfileNames]);
    expect([...builtInProfiles().values()].map(({ name }) => name)).toEqual([
      ...builtInProfileNames,
    ]);
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
      expect(extensions.keyUsage?.bits).toEqual(['digitalSignature']);
    }
  });

  // A profile is immutable once used: a change needs a new version, and a new hash here.
  it('have the hashes that orders have pinned', () => {
    const hashes = Object.fromEntries(
      [...builtInProfiles()].map(([name, profile]) => [name, profileHash(profile)]),
    );
    expect(hashes).toEqual({
      idevid: '489e9bc746b423836504f1282abf616dce3da0e6a97b3ce6f65a50b6fd0a5497',
      ldevid: 'e7ab64097e22cce043cef92facc8c71a69fd5aea8cdae2f8c726f680ca6642f0',
      'tls-client': '6af8c066d47f1702c8a65362f1d8fc5668ddf7ea3be3d6dacd27fa40098b4191',
      'matter-dac': '9993ad49cba815b06d45ab8883feef4289bb3b0aafa63884c999ca0ff96f496c',
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

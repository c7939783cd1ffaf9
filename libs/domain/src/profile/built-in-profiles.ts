import { readdirSync, readFileSync } from 'node:fs';
import { parseProfile } from './parse-profile.js';
import type { Profile } from './profile.js';

/** Profiles of devices and services, for orders. */
export const builtInProfileNames = [
  'idevid',
  'idevid-tpm',
  'ldevid',
  'ldevid-tpm',
  'matter-dac',
  'wi-sun-fan',
  'aws-iot',
  'azure-dps',
  'tls-client',
  'tls-server',
  'code-signing',
  'firmware-signing',
  'short-lived',
  'ml-dsa-device',
] as const;
export type BuiltInProfileName = (typeof builtInProfileNames)[number];

/**
 * Profiles of those who speak for an issuer. No order can use them, and nothing that compiles for an
 * order has their purposes: only who holds the issuer's key makes such a certificate.
 */
export const authorityProfileNames = ['ocsp-responder', 'crl-signer'] as const;
export type AuthorityProfileName = (typeof authorityProfileNames)[number];

/** The package's own folder: this module lies two folders below it, in src as in dist. */
const profilesFolder = new URL('../../profiles/', import.meta.url);
const authorityFolder = new URL('authority/', profilesFolder);
/** Versions that orders may have pinned and that newer ones took the place of. */
const earlierFolder = new URL('earlier/', profilesFolder);

let loaded: ReadonlyMap<string, Profile> | undefined;
let loadedEarlier: readonly Profile[] | undefined;
let loadedAuthority: ReadonlyMap<string, Profile> | undefined;

/** The profiles that come with Certmill, by name, each in its newest version; read once. */
export function builtInProfiles(): ReadonlyMap<string, Profile> {
  loaded ??= new Map(builtInProfileNames.map((name) => [name, parseIn(profilesFolder, name)]));
  return loaded;
}

/** Every version of them that was ever released, the newest first: what orders may have pinned. */
export function builtInProfileVersions(): readonly Profile[] {
  loadedEarlier ??= readdirSync(earlierFolder)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => parseProfile(readFileSync(new URL(file, earlierFolder), 'utf8'), file));
  return [...builtInProfiles().values(), ...loadedEarlier];
}

/** The profiles of those who speak for an issuer, by name; read once. */
export function authorityProfiles(): ReadonlyMap<string, Profile> {
  loadedAuthority ??= new Map(
    authorityProfileNames.map((name) => [name, parseIn(authorityFolder, name)]),
  );
  return loadedAuthority;
}

function parseIn(folder: URL, name: string): Profile {
  return parseProfile(readFileSync(new URL(`${name}.yaml`, folder), 'utf8'), `${name}.yaml`);
}

/** The YAML of a built-in profile: the start of one's own. */
export function builtInProfileText(name: BuiltInProfileName): string {
  return readFileSync(new URL(`${name}.yaml`, profilesFolder), 'utf8');
}

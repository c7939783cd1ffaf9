import { readFileSync } from 'node:fs';
import { parseProfile } from './parse-profile.js';
import type { Profile } from './profile.js';

export const builtInProfileNames = ['idevid', 'ldevid', 'tls-client', 'matter-dac'] as const;
export type BuiltInProfileName = (typeof builtInProfileNames)[number];

/** The package's own folder: this module lies two folders below it, in src as in dist. */
const profilesFolder = new URL('../../profiles/', import.meta.url);

let loaded: ReadonlyMap<string, Profile> | undefined;

/** The profiles that come with Certmill, by name; read once. */
export function builtInProfiles(): ReadonlyMap<string, Profile> {
  loaded ??= new Map(builtInProfileNames.map((name) => [name, parseBuiltIn(name)]));
  return loaded;
}

function parseBuiltIn(name: BuiltInProfileName): Profile {
  return parseProfile(builtInProfileText(name), `${name}.yaml`);
}

/** The YAML of a built-in profile: the start of one's own. */
export function builtInProfileText(name: BuiltInProfileName): string {
  return readFileSync(new URL(`${name}.yaml`, profilesFolder), 'utf8');
}

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalProfile, CertmillError, profileHash } from '@certmill/domain';
import { builtInProfileVersions, parseProfile } from '@certmill/domain/profile-files';
import { readNamedFile } from '../config/secret-files.js';

/** A profile that sign's own configuration has. */
export interface SignableProfile {
  readonly name: string;
  readonly canonical: string;
}

const profileFile = /\.(?:yaml|yml|json)$/;

/**
 * The profiles that sign signs for, by hash: those of this release and the ones before it, and those
 * of the given files and folders (DESIGN 3.6). CONFIG_INVALID, PROFILE_INVALID.
 */
export function signableProfiles(paths: readonly string[]): ReadonlyMap<string, SignableProfile> {
  const found = paths.flatMap(filesAt).map((file) => {
    return parseProfile(readNamedFile('profiles', file).toString('utf8'), file);
  });
  return new Map(
    [...builtInProfileVersions(), ...found].map((profile) => [
      profileHash(profile),
      { name: profile.name, canonical: canonicalProfile(profile) },
    ]),
  );
}

function filesAt(path: string): readonly string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path)
      .filter((name) => profileFile.test(name))
      .sort()
      .map((name) => join(path, name));
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `profiles: cannot read ${path}`, { cause });
  }
}

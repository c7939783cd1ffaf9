import { hash } from 'node:crypto';
import { canonicalJson } from '../canonical-json.js';
import { CertmillError } from '../faults.js';
import type { Profile } from './profile.js';

export function canonicalProfile(profile: Profile): string {
  return canonicalJson(profile);
}

/** SHA-256 of the canonical profile, hex: its identity wherever it is pinned. */
export function profileHash(profile: Profile): string {
  return canonicalProfileHash(canonicalProfile(profile));
}

/** SHA-256 of a canonical text, hex. */
export function canonicalProfileHash(canonical: string): string {
  return hash('sha256', canonical, 'hex');
}

/**
 * The profile of a stored canonical text. Only texts that `canonicalProfile` made carry a hash that
 * anything refers to, so the text is not validated again but its hash is,
 * where the caller knows it. Throws FAULT_STORE_CORRUPT on another hash, or where it is no JSON.
 */
export function profileOfCanonical(canonical: string, expectedHash?: string): Profile {
  const found = canonicalProfileHash(canonical);
  if (expectedHash !== undefined && found !== expectedHash) {
    throw new CertmillError(
      'FAULT_STORE_CORRUPT',
      `the stored profile does not have the hash ${expectedHash}`,
    );
  }
  try {
    return JSON.parse(canonical) as Profile;
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `profile ${found} is not JSON`, { cause });
  }
}

import { hash } from 'node:crypto';
import { CertmillError } from '../faults.js';
import type { Profile } from './profile.js';

/** Canonical JSON: object keys sorted by code unit, no white space, absent properties left out. */
export function canonicalProfile(profile: Profile): string {
  return canonicalJson(profile);
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
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

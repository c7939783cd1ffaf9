import type { X509Certificate } from 'node:crypto';
import { isCertmillError, type Order, type Profile } from '@certmill/domain';
import { validityRule } from '../profile/compile-profile.js';
import type { ProfileCatalogue } from '../profile/profile-catalogue.js';

/** How long the certificates of an order live, by its profile and its issuer's present certificate. */
export interface OrderLife {
  /**
   * When one ends whose request was received then, Unix milliseconds; undefined where it has no expiration. Never
   * earlier for a later request. What was issued before the issuer was renewed may have been cut short by its
   * certificate of that time.
   */
  readonly endOf: (receivedAtMs: number) => number | undefined;
  /** Absent where the profile has a fixed end. */
  readonly lifeMs?: number;
}

/** The months of the year 9999 are nobody's calendar (RFC 5280 4.1.2.5). */
const noExpirationYear = 9_999;

/** Undefined where the profile or the issuer is gone. */
export async function orderLife(
  { profiles }: { readonly profiles: Pick<ProfileCatalogue, 'get'> },
  { tenant, profileHash }: Order,
  issuer: X509Certificate | undefined,
): Promise<OrderLife | undefined> {
  const profile = await profiles.get(tenant, profileHash);
  if (profile === undefined || issuer === undefined) return undefined;
  // What was issued before it began was issued by one before it.
  const life = { notBeforeMs: 0, notAfterMs: issuer.validToDate.getTime() };
  const { notAfter } = profile.validity;
  return {
    endOf(receivedAtMs) {
      const endMs = endOfOne(profile, life, receivedAtMs);
      return new Date(endMs).getUTCFullYear() >= noExpirationYear ? undefined : endMs;
    },
    ...('seconds' in notAfter ? { lifeMs: notAfter.seconds * 1_000 } : {}),
  };
}

/** Under an issuer that was renewed for less than the profile wants, certificates end with it. */
function endOfOne(
  profile: Profile,
  life: { readonly notBeforeMs: number; readonly notAfterMs: number },
  receivedAtMs: number,
): number {
  try {
    return validityRule(profile, life)(receivedAtMs).notAfter * 1_000;
  } catch (error) {
    if (!isCertmillError(error)) throw error;
    return life.notAfterMs;
  }
}

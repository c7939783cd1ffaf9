import type { AllowListQuery } from '@certmill/ports';
import type { IssuedCertificate } from '../revoke/read-certificates.js';

/** A certificate with the request that it was issued for; views into the segment. */
export interface StoredCertificate extends IssuedCertificate {
  readonly requestDer: Uint8Array;
  readonly source: string;
  /** 32 octets. */
  readonly udid: Uint8Array;
}

/** How stores find the device of a certificate. */
export function deviceOf({ deviceId, udid }: StoredCertificate): AllowListQuery {
  return { ...(deviceId === '' ? {} : { deviceId }), udid };
}
